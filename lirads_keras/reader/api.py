"""The reading application over HTTP; what each request means stands in `service`."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.nifti import write_nifti
from lirads_keras.reader.access_log import AccessLog
from lirads_keras.reader.answers import JsonResponse, error_response, problems_to_json
from lirads_keras.reader.assets import read_asset
from lirads_keras.reader.errors import Busy, NotFound, Stale, TooLarge
from lirads_keras.reader.identity import read_identity
from lirads_keras.reader.journal import NotStored
from lirads_keras.reader.mask_upload import MASK_BYTES_MAX, read_mask_body
from lirads_keras.reader.messages import REVISION_MAX, AtRevision, BadReader, Edit, parse_reader
from lirads_keras.reader.security import Access, AccessControl
from lirads_keras.reader.service import ReaderService

JSON_BYTES_MAX = 1 << 16
NIFTI_TYPE = "application/octet-stream"
_BLOCK_BYTES = 1 << 20


async def require_reader(request: Request) -> str:
    """The reader's name, which every change bears."""
    names = request.headers.getlist("x-lirads-reader")
    return parse_reader(names[0] if len(names) == 1 else None)


async def note_reader(request: Request) -> str | None:
    """The reader's name, where the page gives it."""
    return await require_reader(request) if "x-lirads-reader" in request.headers else None


Reader = Annotated[str, Depends(require_reader)]
Revision = Annotated[int, Query(ge=0, le=REVISION_MAX)]


def build_app(service: ReaderService, session: Mapping[str, Any], access: Access, scratch: Path, routers: Sequence[APIRouter] = ()) -> ASGIApp:
    """The whole application.

    Args:
        service: does the work.
        session: the answer to GET /api/session.
        access: who may ask.
        scratch: folder for bodies while they are checked.
        routers: of other protocols.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False, max_body_size=JSON_BYTES_MAX, default_response_class=JsonResponse)
    for router in (_build_page_router(), _build_study_router(service, session), _build_change_router(service, scratch), *routers):
        app.include_router(router)
    for error, answer in _ANSWERS.items():
        app.add_exception_handler(error, answer)
    inner: ASGIApp = app if not access.origins else _allow_origins(app, access)
    return AccessLog(AccessControl(inner, access))


def _allow_origins(app: ASGIApp, access: Access) -> ASGIApp:
    """Tells browsers that other pages may use what lies outside /api."""
    shared = CORSMiddleware(app, allow_origins=sorted(access.origins), allow_methods=["GET", "POST", "PUT", "DELETE"],
                            allow_headers=["authorization", "content-type", "x-lirads-reader"])

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] != "http" or scope["path"].startswith("/api/")
        await (app if own else shared)(scope, receive, send)

    return choose


def _build_page_router() -> APIRouter:
    router = APIRouter()

    def answer(name: str) -> Response:
        try:
            content, content_type = read_asset(name)
        except KeyError:
            raise NotFound("a file of the page") from None
        return Response(content, media_type=content_type)

    @router.get("/")
    def page() -> Response:
        return answer("index.html")

    @router.get("/web/{name}")
    def asset(name: str) -> Response:
        return answer(name)

    return router


def _build_study_router(service: ReaderService, session: Mapping[str, Any]) -> APIRouter:
    """What changes nothing."""
    router = APIRouter(prefix="/api")

    @router.get("/session")
    def read_session() -> Response:
        return JsonResponse(session)

    @router.get("/studies")
    def studies() -> Response:
        return JsonResponse({"studies": service.list_studies()})

    @router.get("/studies/{study_id}")
    def state(study_id: str, who: Annotated[str | None, Depends(note_reader)]) -> Response:
        return JsonResponse(service.read_state(study_id, who))

    @router.get("/studies/{study_id}/identity")
    def identity(study_id: str) -> Response:
        return JsonResponse(read_identity(service.studies.open(study_id).study))

    @router.get("/studies/{study_id}/volumes/{phase}.nii")
    def volume(study_id: str, phase: str) -> Response:
        file = service.studies.open_image(study_id, phase)

        def blocks() -> Iterator[bytes]:
            with file:
                while block := file.read(_BLOCK_BYTES):
                    yield block

        return StreamingResponse(blocks(), media_type=NIFTI_TYPE, headers={"Content-Length": str(os.fstat(file.fileno()).st_size)})

    @router.get("/studies/{study_id}/masks/{mask_id}.nii")
    def mask(study_id: str, mask_id: str) -> Response:
        opened, voxels = service.read_mask(study_id, mask_id)
        with tempfile.TemporaryDirectory() as folder:
            write_nifti(Path(folder) / "mask.nii", opened.grid.with_array(voxels))
            return Response((Path(folder) / "mask.nii").read_bytes(), media_type=NIFTI_TYPE)

    @router.get("/studies/{study_id}/lesions/{lesion_id}/explanation")
    def explanation(study_id: str, lesion_id: str) -> Response:
        return Response(service.read_explanation(study_id, lesion_id), media_type="image/png")

    @router.get("/studies/{study_id}/saved/{save_id}/{name}")
    def saved(study_id: str, save_id: str, name: str) -> Response:
        content = service.read_saved(study_id, save_id, name)
        return Response(content, media_type=NIFTI_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    return router


def _build_change_router(service: ReaderService, scratch: Path) -> APIRouter:
    """What changes something."""
    router = APIRouter(prefix="/api/studies/{study_id}")

    @router.post("/run")
    def run(study_id: str, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.start_run(study_id, who, wanted.revision), 202)

    @router.post("/mask", max_body_size=MASK_BYTES_MAX)
    async def mask(study_id: str, who: Reader, revision: Revision, request: Request) -> Response:
        opened = await run_in_threadpool(service.studies.open, study_id)
        with tempfile.NamedTemporaryFile(dir=scratch) as body:
            async for block in request.stream():
                body.write(block)
            body.flush()
            voxels = await run_in_threadpool(read_mask_body, Path(body.name), opened.grid, scratch)
        return JsonResponse(await run_in_threadpool(service.take_mask, study_id, who, revision, voxels))

    @router.post("/next")
    def next_(study_id: str, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.start_next(study_id, who, wanted.revision), 202)

    @router.post("/edits")
    def edit(study_id: str, who: Reader, wanted: Edit) -> Response:
        return JsonResponse(service.edit(study_id, who, wanted.revision, wanted.lesion_id, wanted.field, wanted.plain_value()))

    @router.post("/undo")
    def undo(study_id: str, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.undo(study_id, who, wanted.revision))

    @router.post("/set-aside/{event_id}/apply")
    def apply(study_id: str, event_id: int, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.apply_set_aside(study_id, who, wanted.revision, event_id))

    @router.post("/save")
    def save(study_id: str, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.save(study_id, who, wanted.revision))

    @router.post("/lesions/{lesion_id}/explanation")
    def explain(study_id: str, lesion_id: str, who: Reader, wanted: AtRevision) -> Response:
        return JsonResponse(service.start_explanation(study_id, who, wanted.revision, lesion_id), 202)

    @router.delete("/job")
    def cancel(study_id: str, who: Reader) -> Response:
        return JsonResponse(service.cancel_job(study_id, who))

    return router


def _answer_input_error(status: int) -> Callable[[Request, Any], Response]:
    def answer(request: Request, error: InputError) -> Response:
        return JsonResponse(problems_to_json(str(error.problems[0]), error.problems), status)

    return answer


def _answer_stale(request: Request, error: Any) -> Response:
    body = problems_to_json(error.why, [Problem("revision", "the present state of the study", error.why)])
    return JsonResponse(body | {"set_aside": error.set_aside, "by": error.by, "state": error.state}, 409)


def _answer_invalid(request: Request, error: Any) -> Response:
    problems = [Problem(".".join(map(str, item["loc"])), item["msg"], ascii(item.get("input"))[:80]) for item in error.errors()]
    return JsonResponse(problems_to_json("this is not what the request takes", problems), 422)


_ANSWERS: dict[Any, Callable[[Request, Any], Response]] = {
    BadReader: _answer_input_error(400),
    NotStored: _answer_input_error(507),
    InputError: _answer_input_error(422),
    Stale: _answer_stale,
    NotFound: lambda request, error: error_response(404, f"no such thing: {error.what}", "address", error.what, "nothing of this name"),
    Busy: lambda request, error: error_response(503, f"the study is being opened: {error.doing}", "study", "to be open", error.doing),
    TooLarge: lambda request, error: error_response(413, "too large", "body, unpacked", f"at most {error.limit} bytes", "more"),
    RequestValidationError: _answer_invalid,
    # The framework raises it again when it is answered; AccessLog says where in the code it was.
    Exception: lambda request, error: error_response(
        500, "a defect of this program; its log says where", "request", "an answer", type(error).__name__),
    HTTPException: lambda request, error: error_response(error.status_code, str(error.detail), "request", "one that this server knows", f"{error.detail}"),
}
