"""The requests of 3D Slicer's client library and of OHIF's plug-in, written out, against the routes with a stand-in for the reading application."""
from __future__ import annotations

import email.policy
import gzip
import json
import struct
import threading
import time
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
import SimpleITK as sitk
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import from_itk
from lirads_keras.io.nifti import read_nifti, write_nifti
from lirads_keras.reader.api import build_app
from lirads_keras.reader.label_answers import Segmented
from lirads_keras.reader.label_sessions import SESSIONS_MAX
from lirads_keras.reader.monai_label import MODEL, WAITING_MAX, LabelledStudy, build_router
from lirads_keras.reader.security import build_access
from lirads_keras.variants import SEGMENTATION_VARIANTS

STUDY, EMPTY = "0123456789abcdef", "fedcba9876543210"
DELAYED_UID, ARTERIAL_UID = "1.2.826.0.1.3680043.8.498.1.3", "1.2.826.0.1.3680043.8.498.1.1"
NOTICE = "Research use only. Not for diagnosis."
IMAGE_BYTES_MAX = 200_000
BINARY = "application/octet-stream"


def make_grid(shape: tuple[int, int, int] = (5, 6, 7)) -> Volume:
    """An oblique grid."""
    turn = 0.3
    columns = np.array([[0, 0, 1], [-np.sin(turn), np.cos(turn), 0], [np.cos(turn), np.sin(turn), 0]], float).T
    affine = np.eye(4)
    affine[:3, :3] = columns * [4, 2, 1.5]
    affine[:3, 3] = [-120.5, 33.25, 871.125]
    return Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), (4.0, 2.0, 1.5), affine)


GRID = make_grid()
MASK = np.zeros(GRID.shape, np.uint8)
MASK[1:3, 2:5, 4] = 1


class Stand:
    """Says of one study what the network found, of an image that its brightest voxels are lesion, and keeps what is saved."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, np.ndarray, str]] = []
        self.asked_by: list[str] = []
        self.segmented: list[Path] = []
        self.mask: np.ndarray | None = None
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.entered = threading.Semaphore(0)

    def list_studies(self) -> list[LabelledStudy]:
        return [LabelledStudy(STUDY, "P001", self.mask is not None), LabelledStudy(EMPTY, "P002", False)]

    def find_study(self, series_uid: str) -> str | None:
        if series_uid == ARTERIAL_UID:
            raise InputError(Problem("the image", "the series of the study's delayed phase, on whose grid", "its arterial phase"))
        return STUDY if series_uid == DELAYED_UID else None

    def read_image(self, study_id: str) -> Volume:
        return GRID

    def find_mask(self, study_id: str) -> np.ndarray | None:
        return self.mask if study_id == STUDY else None

    def segment_study(self, study_id: str, who: str) -> Segmented:
        self.asked_by.append(who)
        self._work()
        return Segmented(GRID.with_array(MASK if study_id == STUDY else np.zeros_like(MASK)), "three-phase", (Phase.ARTERIAL, Phase.DELAYED))

    def segment_image(self, path: Path) -> Segmented:
        self.segmented.append(path)
        self._work()
        image = read_nifti(path)
        return Segmented(image.with_array((image.array > image.array.max() / 2).astype(np.uint8)), "delayed", (Phase.DELAYED,))

    def save_mask(self, study_id: str, mask: np.ndarray, who: str) -> None:
        self.saved.append((study_id, mask, who))

    def _work(self) -> None:
        self.entered.release()
        if self.gate is not None:
            self.gate.wait(20)
        if self.error is not None:
            raise self.error


def build(stand: Stand, folder: Path) -> ASGIApp:
    router = build_router(stand, segmentation=SEGMENTATION_VARIANTS["three-phase"], version="0.1.0", notice=NOTICE, folder=folder,
                          image_bytes_max=IMAGE_BYTES_MAX, label_bytes_max=50_000)
    return build_app(None, {}, build_access(None, None, []), folder, [router])  # type: ignore[arg-type]


@pytest.fixture()
def stand() -> Stand:
    return Stand()


@pytest.fixture()
def client(stand: Stand, tmp_path: Path) -> TestClient:
    folder = tmp_path / "private"
    folder.mkdir()
    return TestClient(build(stand, folder), base_url="http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """For requests that change nothing: one application for all."""
    return TestClient(build(Stand(), tmp_path_factory.mktemp("private")), base_url="http://127.0.0.1:8000")


def encode_as_slicer(fields: dict[str, str], files: dict[str, Path]) -> tuple[bytes, dict[str, str]]:
    """The body that MONAILabelLib/client.py writes: this boundary, whole paths as file names, a line break more at the end."""
    limit = "----------lImIt_of_THE_fIle_eW_$"
    body = b""
    for name, text in fields.items():
        body += f'--{limit}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
    for name, path in files.items():
        body += f'--{limit}\r\nContent-Disposition: form-data; name="{name}"; filename="{path}"\r\nContent-Type: application/x-gzip\r\n\r\n'.encode()
        body += path.read_bytes() + b"\r\n"
    body += f"--{limit}--\r\n\r\n".encode()
    return body, {"content-type": f"multipart/form-data; boundary={limit}", "content-length": str(len(body))}


def parse_as_slicer(response: Any) -> tuple[dict[str, Any], str, bytes]:
    """What cgi.FieldStorage makes of an answer: the parameters, and the one file by its name."""
    assert response.status_code == 200, response.text
    message = BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + response.headers["content-type"].encode() + b"\r\n\r\n" + response.content)
    form, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename():
            files[part.get_filename()] = content
        else:
            form[name] = content
    (name, content), = files.items()
    return json.loads(form["params"]), name, content


def parse_as_ohif(response: Any) -> tuple[dict[str, Any], bytes]:
    """What MonaiLabelPanel.tsx makes of an answer: all of it as UTF-8 text, parts found by their types, voxels by charCodeAt."""
    assert response.status_code == 200, response.text
    boundary = response.headers["content-type"].split("boundary=")[1].split(";")[0]
    parts = [part for part in response.content.decode("utf-8", "replace").split(f"--{boundary}") if part.strip()]
    described = next(part for part in parts if "Content-Type: application/json" in part)
    image = next(part for part in parts if "Content-Type: application/octet-stream" in part)
    binary = image.split("\r\n\r\n")[1]
    return json.loads(described[described.index("{"):described.rindex("}") + 1]), bytes(ord(letter) % 256 for letter in binary[:binary.rindex("\r\n")])


def read_with_itk(content: bytes, name: str, tmp_path: Path) -> tuple[Volume, str]:
    """The volume, and ITK's name for its voxel type."""
    path = tmp_path / name
    path.write_bytes(content)
    image = sitk.ReadImage(str(path))
    return from_itk(image), image.GetPixelIDTypeAsString()


def write_upload(tmp_path: Path, array: np.ndarray, name: str = "up load.nii.gz", grid: Volume = GRID) -> Path:
    write_nifti(tmp_path / name, Volume(array, grid.spacing_mm, grid.affine))
    return tmp_path / name


def infer_as_slicer(client: TestClient, image: str, params: dict[str, Any], *, session_id: str = "", file: Path | None = None) -> Any:
    body, headers = encode_as_slicer({"params": json.dumps(params | {"client_id": "user-xyz"})}, {"file": file} if file else {})
    session = f"&session_id={quote_plus(session_id)}" if session_id else ""
    return client.post(f"/infer/{quote_plus(MODEL)}?image={quote_plus(image)}{session}", content=body, headers=headers)


def infer_as_ohif(client: TestClient, image: str, **params: Any) -> Any:
    sent = {"result_extension": ".nrrd", "result_dtype": "uint16", "result_compress": False, "restore_label_idx": False} | params
    return client.post(f"/infer/{MODEL}", params={"image": image, "output": "all"}, files={"params": (None, json.dumps(sent))},
                       headers={"accept": "application/json,multipart/form-data"})


def test_slicer_may_go_on_without_a_login(client: TestClient) -> None:
    assert client.get("/auth/").json() == {"enabled": False}


def test_info_has_what_both_plug_ins_read(client: TestClient, stand: Stand) -> None:
    info = client.get("/info/").json()
    # Slicer refuses a server whose info has a config; OHIF drops the first label as the background, and reads the numbers of the model's labels.
    assert "config" not in info and info["labels"] == ["background", "lesion"] and NOTICE in info["description"]
    assert info["models"] == {MODEL: {
        "type": "segmentation", "labels": {"lesion": 1}, "dimension": 3, "config": {}, "description": info["models"][MODEL]["description"]}}
    assert ("A study is read by the segmentation variant three-phase (arterial, portal venous and delayed phases), an image without a study by the "
            "segmentation variant delayed (delayed phase)." in info["models"][MODEL]["description"])
    assert (info["trainers"], info["strategies"], info["scoring"], info["version"]) == ({}, {}, {}, "0.1.0")
    assert info["datastore"] == client.get("/datastore/").json() == {"total": 2, "completed": 0, "label_tags": {}}
    stand.mask = MASK
    assert client.get("/datastore/").json() == {"total": 2, "completed": 1, "label_tags": {"final": 1}}
    objects = client.get("/datastore/?output=all").json()["objects"]
    assert objects[STUDY]["labels"] and not objects[EMPTY]["labels"] and objects[STUDY]["image"]["info"]["name"] == "P001"


def test_slicer_segments_a_study(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    params, name, content = parse_as_slicer(infer_as_slicer(client, STUDY, {}))
    assert params["label_names"] == {"lesion": 1} and params["notice"] == NOTICE and name == "label.nii.gz"
    assert (params["segmentation_variant"], params["phases"]) == ("three-phase", ["arterial", "delayed"])
    volume, kind = read_with_itk(content, name, tmp_path)
    assert kind == "8-bit unsigned integer"
    np.testing.assert_array_equal(volume.array, MASK)
    np.testing.assert_allclose(volume.affine, GRID.affine, atol=1e-4)
    assert stand.asked_by == ["user-xyz"]


def test_slicer_sends_its_own_volume_in_a_session(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    image = np.zeros((4, 5, 6), np.int16)
    image[2, 3, 4], image[0, 0, 0] = 900, 100
    file = write_upload(tmp_path, image)
    with open(file, "rb") as opened:
        created = client.put("/session/", data={"client_id": "user-xyz"}, files=[("files", (file.name, opened))])
    session_id = created.json()["session_id"]
    assert created.json()["session_info"]["name"] == session_id and created.json()["session_info"]["expiry"] == 3600
    assert client.get(f"/session/{session_id}").json()["create_ts"] == created.json()["session_info"]["create_ts"]
    assert client.get(f"/session/{session_id}?image=true").content == gzip.decompress(file.read_bytes())
    # The name of Slicer's volume is no image here, and need not be.
    params, name, content = parse_as_slicer(infer_as_slicer(client, "MRHead", {"result_dtype": "uint8"}, session_id=session_id))
    assert (params["segmentation_variant"], params["phases"]) == ("delayed", ["delayed"])
    volume, _ = read_with_itk(content, name, tmp_path)
    np.testing.assert_array_equal(volume.array, image == 900)
    np.testing.assert_allclose(volume.affine, GRID.affine, atol=1e-4)
    assert client.delete(f"/session/{session_id}").status_code == 200
    assert client.get(f"/session/{session_id}").status_code == 404
    assert infer_as_slicer(client, "MRHead", {}, session_id=session_id).status_code == 404
    assert not stand.segmented[0].exists()


def test_an_image_in_the_request_itself(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    image = np.zeros((4, 5, 6), np.float32)
    image[1, 1, 1] = 5
    for name in ("a.nii", "a.nii.gz"):
        _, result, content = parse_as_slicer(infer_as_slicer(client, "", {}, file=write_upload(tmp_path, image, name)))
        np.testing.assert_array_equal(read_with_itk(content, result, tmp_path)[0].array, image == 5)
    assert all(not path.exists() and path.parent.parent == tmp_path / "private" for path in stand.segmented)
    assert list((tmp_path / "private").iterdir()) == []


def test_ohif_segments_the_series_that_it_shows(client: TestClient, tmp_path: Path) -> None:
    described, content = parse_as_ohif(infer_as_ohif(client, DELAYED_UID))
    volume, kind = read_with_itk(content, "label.nrrd", tmp_path)
    np.testing.assert_array_equal(volume.array, MASK)
    np.testing.assert_allclose(volume.affine, GRID.affine, atol=1e-6)
    assert kind == "16-bit unsigned integer" and b"encoding: raw" in content.split(b"\n\n")[0]
    # OHIF takes the bytes behind the header as they are, x first.
    np.testing.assert_array_equal(np.frombuffer(content.split(b"\n\n", 1)[1], "<u2").reshape(GRID.shape), MASK)
    assert described["centroids"] == {"lesion": [1, 4, 3, 1]}


def test_ohif_of_a_study_without_lesions(client: TestClient) -> None:
    described, content = parse_as_ohif(infer_as_ohif(client, EMPTY))
    assert described["centroids"] == {} and not np.frombuffer(content.split(b"\n\n", 1)[1], "<u2").any()


def test_the_series_of_another_phase_gets_no_mask_that_would_lie_wrong(client: TestClient) -> None:
    answer = infer_as_ohif(client, ARTERIAL_UID)
    assert answer.status_code == 422 and "arterial phase" in answer.text


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".nrrd"])
@pytest.mark.parametrize("kind, itk_kind", [("uint8", "8-bit unsigned integer"), ("uint16", "16-bit unsigned integer"), ("int16", "16-bit signed integer"),
                                            ("int32", "32-bit signed integer"), ("float32", "32-bit float")])
def test_the_file_is_what_was_asked_for(idle: TestClient, tmp_path: Path, extension: str, kind: str, itk_kind: str) -> None:
    _, name, content = parse_as_slicer(infer_as_slicer(idle, STUDY, {"result_extension": extension, "result_dtype": kind}))
    volume, found = read_with_itk(content, name, tmp_path)
    assert name == f"label{extension}" and found == itk_kind
    np.testing.assert_array_equal(volume.array, MASK)


def test_compression_is_for_nrrd(client: TestClient) -> None:
    heads = {compress: parse_as_slicer(infer_as_slicer(client, STUDY, {"result_extension": ".nrrd", "result_compress": compress}))[2].split(b"\n\n")[0]
             for compress in (True, False)}
    assert b"encoding: gzip" in heads[True] and b"encoding: raw" in heads[False]


def test_output_chooses_the_form(client: TestClient, tmp_path: Path) -> None:
    described = client.post(f"/infer/{MODEL}?image={STUDY}&output=json")
    assert described.headers["content-type"] == "application/json" and described.json()["centroids"] == {"lesion": [1, 4, 3, 1]}
    image = client.post(f"/infer/{MODEL}?image={STUDY}&output=image", data={"params": '{"result_extension": ".nrrd"}'})
    assert image.headers["content-type"] == BINARY and 'filename="label.nrrd"' in image.headers["content-disposition"]
    np.testing.assert_array_equal(read_with_itk(image.content, "i.nrrd", tmp_path)[0].array, MASK)


def test_the_datastore_gives_image_and_label(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    image = client.get(f"/datastore/image?image={STUDY}")
    volume, _ = read_with_itk(image.content, "image.nii.gz", tmp_path)
    np.testing.assert_array_equal(volume.array, GRID.array)
    assert client.get(f"/datastore/label?label={STUDY}&tag=final").status_code == 404
    stand.mask = MASK
    label = client.get(f"/datastore/label?label={STUDY}&tag=final")
    assert f'filename="{STUDY}.nii.gz"' in label.headers["content-disposition"]
    np.testing.assert_array_equal(read_with_itk(label.content, "label.nii.gz", tmp_path)[0].array, MASK)


def save_as_slicer(client: TestClient, image: str, file: Path, *, tag: str = "", params: dict[str, Any] | None = None) -> Any:
    body, headers = encode_as_slicer({"params": json.dumps({"client_id": "user-xyz", "label_info": [{"name": "lesion", "idx": 1}]} | (params or {}))},
                                     {"label": file})
    return client.put(f"/datastore/label?image={quote_plus(image)}{f'&tag={quote_plus(tag)}' if tag else ''}", content=body, headers=headers)


def test_slicer_saves_an_edited_label(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    edited = MASK.astype(np.int16)
    edited[4, 5, 6] = 3
    answer = save_as_slicer(client, STUDY, write_upload(tmp_path, edited), tag="final")
    assert answer.json() == {"image": STUDY, "label": STUDY}
    (study_id, mask, who), = stand.saved
    assert (study_id, who, mask.dtype) == (STUDY, "user-xyz", bool)
    np.testing.assert_array_equal(mask, edited > 0)


@pytest.mark.parametrize("kind", ["u1", "<u2"])
def test_ohif_saves_bare_voxels(client: TestClient, stand: Stand, kind: str) -> None:
    answer = client.put("/datastore/label", params={"image": DELAYED_UID}, files={
        "params": (None, json.dumps({"label_info": [{"name": "lesion", "idx": 1}]})), "label": ("label.bin", (2 * MASK).astype(kind).tobytes(), BINARY)})
    assert answer.json() == {"image": DELAYED_UID, "label": STUDY}
    np.testing.assert_array_equal(stand.saved[0][1], MASK == 1)
    assert stand.saved[0][2] == "MONAI Label client"


def test_a_label_with_its_axes_in_another_order_is_turned(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    image = sitk.PermuteAxes(sitk.ReadImage(str(write_upload(tmp_path, MASK))), (2, 0, 1))
    sitk.WriteImage(sitk.Flip(image, (True, False, False)), str(tmp_path / "turned.nii.gz"))
    assert save_as_slicer(client, STUDY, tmp_path / "turned.nii.gz").status_code == 200
    np.testing.assert_array_equal(stand.saved[0][1], MASK == 1)


@pytest.mark.parametrize("shape, shift_mm", [((5, 6, 8), 0), ((5, 6, 7), 9)])
def test_a_label_on_another_grid_is_refused(client: TestClient, stand: Stand, tmp_path: Path, shape: tuple[int, int, int], shift_mm: float) -> None:
    grid = make_grid(shape)
    grid.affine[0, 3] += shift_mm
    answer = save_as_slicer(client, STUDY, write_upload(tmp_path, np.zeros(shape, np.uint8), grid=grid))
    assert answer.status_code == 422 and "grid" in answer.text and not stand.saved


@pytest.mark.parametrize("name, expected", [("Ann Reader", "Ann Reader"), ("", "MONAI Label client"), ("\x00\n\r\u202e", "MONAI Label client"),
                                            ("x" * 500, "x" * 64), ("Zoë\n<b>", "Zoë<b>"), (None, "MONAI Label client")])
def test_who_saved_is_a_name_of_one_line(client: TestClient, stand: Stand, tmp_path: Path, name: str | None, expected: str) -> None:
    assert save_as_slicer(client, STUDY, write_upload(tmp_path, MASK), params={"client_id": name}).status_code == 200
    assert stand.saved[0][2] == expected


BROKEN = gzip.compress(b"\x5c\x01\x00\x00" + bytes(500), mtime=0)[:60]


@pytest.mark.parametrize("content, status", [
    (b"", 422), (b"hello", 422), (BROKEN, 422), (b"\x1f\x8b", 422), (b"\x5c\x01\x00\x00" + bytes(344), 422), (b"\x5c\x01\x00\x00", 422),
    (gzip.compress(bytes(IMAGE_BYTES_MAX + 1), mtime=0), 413), (b"\x1c\x02\x00\x00" + bytes(600), 422),
    (b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 5 5\nencoding: raw\ndata file: /etc/passwd\n\n", 422), (b"\x01" * (IMAGE_BYTES_MAX + 70_000), 413)],
    ids=["empty", "text", "half gzip", "gzip mark", "half header", "header size", "bomb", "NIfTI-2 of zeros", "detached NRRD", "too large"])
def test_images_that_are_none(client: TestClient, stand: Stand, tmp_path: Path, content: bytes, status: int) -> None:
    (tmp_path / "x.nii.gz").write_bytes(content)
    answer = infer_as_slicer(client, "", {}, file=tmp_path / "x.nii.gz")
    assert answer.status_code == status, answer.text
    assert client.put("/session/", files=[("files", ("x.nii.gz", content))]).status_code == status
    assert str(tmp_path) not in answer.text and not stand.segmented and list((tmp_path / "private").iterdir()) == []
    assert save_as_slicer(client, STUDY, tmp_path / "x.nii.gz").status_code in (413, 422) and not stand.saved


def test_a_bomb_is_not_unpacked(client: TestClient, tmp_path: Path) -> None:
    content = gzip.compress(bytes(100_000_000), 9)
    assert len(content) < IMAGE_BYTES_MAX
    assert client.put("/session/", files=[("files", ("x.nii.gz", content))]).status_code == 413
    assert list((tmp_path / "private").iterdir()) == []


@pytest.mark.parametrize("place, count, value", [(40, "8h", (3, 32767, 32767, 32767, 1, 1, 1, 1)), (76, "8f", [float("nan")] * 8),
                                                 (280, "12f", [float("nan")] * 12), (280, "12f", [1e38] * 12), (70, "h", (128,)), (42, "h", (-3,)),
                                                 (108, "f", (1e30,)), (108, "f", (float("nan"),)), (76, "8f", [0.0] * 8)])
def test_headers_that_lie(client: TestClient, stand: Stand, tmp_path: Path, place: int, count: str, value: Any) -> None:
    content = bytearray(write_upload(tmp_path, np.ones((4, 5, 6), np.int16), "a.nii").read_bytes())
    struct.pack_into("<" + count, content, place, *value)
    answer = client.put("/session/", files=[("files", ("x.nii", bytes(content)))])
    # ITK mends some of it, and refuses the rest.
    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/datastore/image?image=../../etc/passwd", 404), ("GET", "/datastore/image?image=", 404), ("GET", "/datastore/image", 422),
    ("GET", f"/datastore/image?image={STUDY[:-1]}", 404), ("GET", "/datastore/image?image=1.2.3", 404), ("GET", "/datastore/image?image=%00", 404),
    ("GET", "/datastore/label?label=" + "1" * 5000, 404), ("GET", "/datastore/?output=train", 422), ("PUT", "/datastore/?image=new", 405),
    ("DELETE", f"/datastore/?id={STUDY}&type=image", 405), ("GET", "/session/", 405), ("GET", "/session/../../etc/passwd", 404),
    ("GET", "/session/00000000000000000000000000000000", 404), ("DELETE", "/session/x", 404), ("POST", "/infer/deepedit?image=x", 404),
    ("POST", f"/infer/{MODEL}", 404), ("POST", f"/infer/{MODEL}?image=../x", 404), ("POST", f"/infer/{MODEL}?image={STUDY}&output=dicom_seg", 422),
    ("POST", f"/infer/{MODEL}?session_id=../../x", 404), ("GET", f"/infer/{MODEL}", 405), ("GET", "/train/?check_if_running=true", 404),
    ("POST", "/activelearning/random", 404), ("PUT", f"/datastore/label?image={STUDY}", 422), ("PUT", "/session/", 422),
    ("PUT", "/session/?expiry=-1", 422), ("PUT", "/session/?expiry=x", 422)])
def test_what_is_not_there(idle: TestClient, method: str, path: str, status: int) -> None:
    answer = idle.request(method, path)
    assert answer.status_code == status, answer.text
    assert "passwd" not in answer.text or status == 422


@pytest.mark.parametrize("params, told", [
    ("[]", "params"), ("{", "params"), ("\u0000", "params"), ("[" * 50_000, "params"), ('{"result_extension": ".seg.nrrd"}', "result_extension"),
    ('{"result_extension": "/../../x.nii"}', "result_extension"), ('{"result_dtype": "object"}', "result_dtype"),
    ('{"result_compress": "maybe"}', "result_compress"),
    ('{"client_id": 5}', "client_id"), ('{"result_dtype": 1, "result_extension": 2}', "result_extension")])
def test_parameters_that_cannot_be_honoured(idle: TestClient, params: str, told: str) -> None:
    answer = idle.post(f"/infer/{MODEL}?image={STUDY}", data={"params": params})
    assert answer.status_code == 422 and told in answer.text


def test_what_the_work_raises_is_told(client: TestClient, stand: Stand) -> None:
    stand.error = InputError(Problem("job segment_image", "a worker process that goes on", "signal SIGKILL in the middle of it"))
    answer = infer_as_slicer(client, STUDY, {})
    assert answer.status_code == 422 and "SIGKILL" in answer.text


def test_too_many_who_wait_are_sent_away(client: TestClient, stand: Stand) -> None:
    stand.gate = threading.Event()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(infer_as_slicer(client, STUDY, {}).status_code)) for _ in range(WAITING_MAX)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert stand.entered.acquire(timeout=20)
    assert infer_as_slicer(client, STUDY, {}).status_code == 429
    assert client.get("/info/").status_code == 200
    stand.gate.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * WAITING_MAX and infer_as_slicer(client, STUDY, {}).status_code == 200


def test_sessions_are_few_and_end(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_upload(tmp_path, np.ones((2, 2, 2), np.int16)).read_bytes()

    def create(expiry: int = 0) -> str:
        return client.put(f"/session/?expiry={expiry}", files=[("files", ("x.nii.gz", file))]).json()["session_id"]

    first, second = create(), create()
    assert client.get(f"/session/{first}?update_ts=true").status_code == 200
    rest = [create() for _ in range(SESSIONS_MAX - 1)]
    assert [client.get(f"/session/{one}").status_code for one in (first, second, *rest)] == [200, 404, *[200] * len(rest)]
    assert len(list((tmp_path / "private").iterdir())) == SESSIONS_MAX
    short = create(expiry=1)
    assert client.get(f"/session/{short}").json()["expiry"] == 1 and client.get(f"/session/{create(expiry=10**9)}").json()["expiry"] == 3600
    now = time.monotonic()
    monkeypatch.setattr("lirads_keras.reader.label_sessions.time.monotonic", lambda: now + 2)
    assert client.get(f"/session/{short}").status_code == 404
    monkeypatch.setattr("lirads_keras.reader.label_sessions.time.monotonic", lambda: now + 4000)
    assert client.get(f"/session/{first}").status_code == 404 and list((tmp_path / "private").iterdir()) == []


def test_a_session_that_ends_while_it_is_used_stays_until_then(client: TestClient, stand: Stand, tmp_path: Path) -> None:
    file = write_upload(tmp_path, np.ones((2, 2, 2), np.int16)).read_bytes()
    session_id = client.put("/session/", files=[("files", ("x.nii.gz", file))]).json()["session_id"]
    stand.gate = threading.Event()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(infer_as_slicer(client, "", {}, session_id=session_id).status_code))
    thread.start()
    assert stand.entered.acquire(timeout=20)
    assert client.delete(f"/session/{session_id}").status_code == 200 and stand.segmented[0].exists()
    stand.gate.set()
    thread.join()
    assert answers == [200] and not stand.segmented[0].exists()


def test_two_files_are_no_session(client: TestClient) -> None:
    assert client.put("/session/", files=[("files", ("a.dcm", b"1")), ("files", ("b.dcm", b"2"))]).status_code == 422
    assert client.put("/session/?uncompress=true", files=[("files", ("a.zip", b"1"))]).status_code == 422


BODIES = [
    b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nhello\r\n--x--", b'{"params": 3}', bytes(range(256)),
    b'--x\r\nContent-Disposition: form-data; name="params"; filename="a"\r\n\r\n{\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="params"\r\n\r\n\xff\xfe\r\n--x--\r\n']


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x", "application/json",
                                          "application/x-www-form-urlencoded", "text/plain; charset=utf-16", ""])
def test_bodies_that_are_no_forms(idle: TestClient, content_type: str) -> None:
    for body in BODIES:
        for method, path in (("PUT", f"/datastore/label?image={STUDY}"), ("PUT", "/session/"), ("POST", f"/infer/{MODEL}?image=none")):
            answer = idle.request(method, path, content=body, headers={"content-type": content_type})
            assert 400 <= answer.status_code < 500, (method, path, body, answer.status_code)


@settings(max_examples=25)
@given(st.text(max_size=30), st.text(max_size=30), st.binary(max_size=200), st.text(max_size=40))
def test_no_request_is_more_than_refused(idle: TestClient, image: str, session_id: str, content: bytes, params: str) -> None:
    files = {"file": ("x.nii", content), "label": ("l", content), "files": ("f", content)}
    for method, path, query in (("POST", f"/infer/{MODEL}", {"image": image, "session_id": session_id}), ("PUT", "/datastore/label", {"image": image}),
                                ("PUT", "/session/", {}), ("GET", "/datastore/image", {"image": image}), ("GET", "/datastore/label", {"label": image})):
        answer = idle.request(method, path, params=query, data={"params": params}, files=files) if method != "GET" else idle.get(path, params=query)
        assert 400 <= answer.status_code < 500, (method, path, answer.text)
