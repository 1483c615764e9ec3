"""What a client of MONAI Label asks for in the form field `params`, and the answer in the form that it asked for."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
from fastapi import Response
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3 import encode_multipart_formdata
from urllib3.fields import RequestField

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.reader.label_files import write_volume

LABELS = {"lesion": 1}
UNKNOWN_READER = "MONAI Label client"
NAME_CHARACTERS_MAX = 64

_BINARY = "application/octet-stream"


@dataclass(frozen=True, eq=False)
class Segmented:
    """A lesion mask (z, y, x), non-zero in lesions, on the grid of what was segmented; which variant made it, and from which phases."""

    mask: Volume
    variant: str
    phases: tuple[Phase, ...]


class Params(BaseModel):
    """The form field `params` that is honoured; plug-ins send much else, which is for other networks."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    result_extension: Literal[".nii.gz", ".nii", ".nrrd"] = ".nii.gz"
    result_dtype: Literal["uint8", "uint16", "int16", "int32", "float32"] = "uint8"
    result_compress: bool = False
    client_id: str | None = None

    @property
    def who(self) -> str:
        name = "".join(letter for letter in self.client_id or "" if letter.isprintable())[:NAME_CHARACTERS_MAX].strip()
        return name or UNKNOWN_READER


def parse_params(text: str) -> Params:
    """The parameters of a form.

    Raises:
        InputError: no JSON object, or values that are not supported.
    """
    try:
        return Params.model_validate_json(text or "{}")
    except ValidationError as error:
        raise InputError(*(Problem(".".join(("params", *map(str, one["loc"]))), one["msg"], ascii(one["input"])[:80]) for one in error.errors())) from error


def build_answer(segmented: Segmented, params: Params, output: str, notice: str) -> Response:
    """The mask as 0 and 1, and what is said of it, in the form that was asked for.

    OHIF's plug-in reads the whole answer as UTF-8 text, and so must not get a byte above 127: unpacked voxels of 0 and 1 have none.
    """
    labels = segmented.mask.with_array(segmented.mask.array != 0)
    said = {"label_names": LABELS, "centroids": _find_centroids(labels.array), "segmentation_variant": segmented.variant, "phases": segmented.phases,
            "notice": notice}
    if output == "json":
        return Response(json.dumps(said), media_type="application/json")
    name = f"label{params.result_extension}"
    content = write_volume(labels.with_array(labels.array.astype(params.result_dtype)), params.result_extension, compress=params.result_compress)
    if output == "image":
        return attach(content, name)
    fields = RequestField("params", json.dumps(said)), RequestField("image", content, filename=name)
    for field, content_type in zip(fields, ("application/json", _BINARY), strict=True):
        field.make_multipart(content_type=content_type)
    body, content_type = encode_multipart_formdata(fields)
    return Response(body, media_type=content_type)


def _find_centroids(mask: np.ndarray) -> dict[str, list[int]]:
    """The label's number and its centre as whole voxels (x, y, z); OHIF needs it, if only to be empty."""
    places = np.nonzero(mask)
    return {"lesion": [LABELS["lesion"], *(int(indices.mean()) for indices in reversed(places))]} if len(places[0]) else {}


def attach_nifti(volume: Volume, study_id: str) -> Response:
    return attach(write_volume(volume, ".nii.gz"), f"{study_id}.nii.gz")


def attach(content: bytes, name: str) -> Response:
    return Response(content, media_type=_BINARY, headers={"Content-Disposition": f'attachment; filename="{name}"'})
