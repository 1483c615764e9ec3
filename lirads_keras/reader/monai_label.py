"""The protocol of MONAI Label, by which the plug-ins of 3D Slicer and OHIF ask for a segmentation and send back an edited one.

The requests are those of MONAI Label 0.8 (its `plugins/slicer/MONAILabel/MONAILabelLib/client.py` and `plugins/ohifv3/extensions/monai-label`);
training, active learning and uploads into the list of studies are left out. An image is named by its `study_id`, or by the UID of one of its
series, as OHIF does; names are looked up, and never become part of a path.
"""
from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from fastapi import APIRouter, File, Form, HTTPException, Query, Response, UploadFile

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.reader.errors import NotFound
from lirads_keras.reader.label_answers import LABELS, Segmented, attach, attach_nifti, build_answer, parse_params
from lirads_keras.reader.label_files import read_label, unpack_image
from lirads_keras.reader.label_sessions import Sessions
from lirads_keras.variants import PAPER_SEGMENTATION, SEGMENTATION_VARIANTS, SegmentationVariant
from lirads_keras.words import name_phases

MODEL = "lirads_lesions"
WAITING_MAX = 4
"""Segmentations asked for at the same time; one after another is made, and each waiting request holds a thread of the server."""

FORM_BYTES = 1 << 16
"""For what a form holds beside its file: boundaries, headers and text fields."""

UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class LabelledStudy:
    """A study of the list, and whether it has a mask yet."""

    study_id: str
    label: str
    has_mask: bool


class Labelling(Protocol):
    """What the reading application does for the protocol; every method may take long, and may raise InputError."""

    def list_studies(self) -> list[LabelledStudy]:
        """The studies that are there; opens none."""

    def find_study(self, series_uid: str) -> str | None:
        """The `study_id` of the study on whose grid this series lies (`find_grid_phase`); InputError where the series is another one of a study."""

    def read_image(self, study_id: str) -> Volume:
        """The phase on whose grid the study is read, raw (z, y, x), in the order in which its series is stored."""

    def find_mask(self, study_id: str) -> np.ndarray | None:
        """The mask that is in force, on the grid of `read_image`, None before the first run."""

    def segment_study(self, study_id: str, who: str) -> Segmented:
        """The network's own mask of all of a study's phases; the first time it is the study's run, and enters the journal."""

    def segment_image(self, path: Path) -> Segmented:
        """The mask of a NIfTI image of which no study is known: the paper's variant reads it as a delayed phase."""

    def save_mask(self, study_id: str, mask: np.ndarray, who: str) -> None:
        """Enters an edited mask (bool, on the grid of `read_image`) into the journal, as the page's own edit does."""


def build_router(labelling: Labelling, *, segmentation: SegmentationVariant, version: str, notice: str, folder: Path, image_bytes_max: int,
                 label_bytes_max: int) -> APIRouter:
    """The routes, to be included in the server's application, which answers InputError, NotFound and TooLarge.

    Args:
        labelling: does the work.
        segmentation: the variant that reads studies.
        version: of this package.
        notice: what every reader is shown ("Research use only …").
        folder: private to the server, and emptied by it; uploads go there.
        image_bytes_max: of an uploaded image, packed as well as unpacked.
        label_bytes_max: of an uploaded label map.
    """
    router = APIRouter()
    sessions = Sessions(folder)
    waiting = threading.BoundedSemaphore(WAITING_MAX)
    bounds = {"image": image_bytes_max + FORM_BYTES, "label": label_bytes_max + FORM_BYTES}

    def find(image: str) -> str:
        if image in {study.study_id for study in labelling.list_studies()}:
            return image
        study_id = labelling.find_study(image) if UID.fullmatch(image) else None
        if study_id is None:
            raise NotFound("an image")
        return study_id

    @router.get("/auth/")
    def auth() -> dict[str, bool]:
        """Slicer asks before each request whether it has to log in; the server's token, where it wants one, is checked before this is reached."""
        return {"enabled": False}

    @router.get("/info/")
    def info() -> dict[str, Any]:
        model = {"type": "segmentation", "labels": LABELS, "dimension": 3, "config": {},
                 "description": f"Liver lesions in contrast-enhanced MRI. A study is read by {_name(segmentation)}, an image without a study by "
                                f"{_name(SEGMENTATION_VARIANTS[PAPER_SEGMENTATION])}. {notice}"}
        return {"name": "lirads_keras", "description": notice, "version": version, "labels": ["background", *LABELS], "models": {MODEL: model},
                "trainers": {}, "strategies": {}, "scoring": {}, "train_stats": {}, "datastore": _count(labelling.list_studies())}

    @router.get("/datastore/")
    def datastore(output: Literal["stats", "all"] = "stats") -> dict[str, Any]:
        studies = labelling.list_studies()
        if output == "stats":
            return _count(studies)
        return {"name": "studies", "description": notice, "objects": {study.study_id: _describe(study) for study in studies}}

    @router.get("/datastore/image")
    def read_image(image: str) -> Response:
        study_id = find(image)
        return attach_nifti(labelling.read_image(study_id), study_id)

    @router.get("/datastore/label")
    def read_mask(label: str) -> Response:
        study_id = find(label)
        mask = labelling.find_mask(study_id)
        if mask is None:
            raise NotFound("a label of this image")
        return attach_nifti(labelling.read_image(study_id).with_array(mask.astype(np.uint8)), study_id)

    @router.put("/datastore/label", max_body_size=bounds["label"])
    def save_mask(image: str, label: Annotated[UploadFile, File()], params: Annotated[str, Form()] = "") -> dict[str, str]:
        wanted, study_id = parse_params(params), find(image)
        labelling.save_mask(study_id, read_label(label.file, labelling.read_image(study_id), folder), wanted.who)
        return {"image": image, "label": study_id}

    @router.post("/infer/{model}", max_body_size=bounds["image"])
    def infer(model: str, image: str = "", session_id: str = "", output: Literal["image", "json", "all"] = "all",
              params: Annotated[str, Form()] = "", file: Annotated[UploadFile | None, File()] = None) -> Response:
        if model != MODEL:
            raise NotFound("a model")
        wanted = parse_params(params)
        with _place(waiting):
            if session_id:
                with sessions.opening(session_id) as path:
                    found = labelling.segment_image(path)
            elif file is not None:
                with TemporaryDirectory(dir=folder) as private:
                    path = Path(private) / "image.nii"
                    unpack_image(file.file, path, image_bytes_max)
                    found = labelling.segment_image(path)
            else:
                found = labelling.segment_study(find(image), wanted.who)
        return build_answer(found, wanted, output, notice)

    @router.put("/session/", max_body_size=bounds["image"])
    def create_session(files: Annotated[list[UploadFile], File()], expiry: Annotated[int, Query(ge=0)] = 0, uncompress: bool = False) -> dict[str, Any]:
        if len(files) != 1 or uncompress:
            raise InputError(Problem("files", "one NIfTI image, in no archive", "an archive" if uncompress else f"{len(files)} files"))
        return sessions.add(lambda path: unpack_image(files[0].file, path, image_bytes_max), expiry_s=expiry)

    @router.get("/session/{session_id}")
    def read_session(session_id: str, image: bool = False, update_ts: bool = False) -> Any:
        if not image:
            return sessions.describe(session_id, touch=update_ts)
        with sessions.opening(session_id) as path:
            return attach(path.read_bytes(), "image.nii")

    @router.delete("/session/{session_id}")
    def remove_session(session_id: str) -> dict[str, Any]:
        return sessions.remove(session_id)

    return router


def _name(variant: SegmentationVariant) -> str:
    return f"the segmentation variant {variant.name} ({name_phases(variant.phases)})"


def _count(studies: list[LabelledStudy]) -> dict[str, Any]:
    read = sum(study.has_mask for study in studies)
    return {"total": len(studies), "completed": read, "label_tags": {"final": read} if read else {}}


def _describe(study: LabelledStudy) -> dict[str, Any]:
    file = {"ext": ".nii.gz", "info": {"name": study.label}}
    return {"image": file, "labels": {"final": file} if study.has_mask else {}}


@contextmanager
def _place(waiting: threading.BoundedSemaphore) -> Iterator[None]:
    if not waiting.acquire(blocking=False):
        raise HTTPException(429, f"{WAITING_MAX} segmentations are being waited for; ask again later")
    try:
        yield
    finally:
        waiting.release()
