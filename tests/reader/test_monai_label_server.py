"""Slicer's requests against `lirads read` with networks, as a user starts it."""
from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import SimpleITK as sitk

from lirads_keras.entities import Phase
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.grids import from_itk, same_grid
from lirads_keras.io.nifti import write_nifti


def read_mask(answer: httpx.Response, tmp_path: Path):
    assert answer.status_code == 200, answer.text
    (tmp_path / "mask.nii.gz").write_bytes(answer.content)
    return from_itk(sitk.ReadImage(str(tmp_path / "mask.nii.gz")))


@pytest.mark.slow  # 15 s beside the run that all tests of the reader share
@pytest.mark.alone
@pytest.mark.parametrize("label", ["one-lesion", "oblique"])
def test_a_study_by_its_id_and_its_own_image_give_one_mask(reader_server, reader_studies, tmp_path: Path, label: str) -> None:
    study_id = reader_server.find_study(label)
    delayed = read_study(reader_studies / label).phases()[Phase.DELAYED]
    volume = read_volume(delayed)
    write_nifti(tmp_path / "image.nii.gz", volume)
    form = {"params": json.dumps({"client_id": "Slicer user", "result_extension": ".nii.gz"})}
    with httpx.Client(base_url=reader_server.url, timeout=180) as client:
        model, = client.get("/info/").json()["models"]
        of_study = read_mask(client.post(f"/infer/{model}?image={study_id}&output=image", data=form), tmp_path)
        by_series = read_mask(client.post(f"/infer/{model}?image={delayed.series_uid}&output=image", data=form), tmp_path)
        with open(tmp_path / "image.nii.gz", "rb") as file:
            session = client.put("/session/", files=[("files", ("image.nii.gz", file))]).json()["session_id"]
        of_image = read_mask(client.post(f"/infer/{model}?image=any&session_id={session}&output=image", data=form), tmp_path)
        assert of_study.array.any() and all(same_grid(mask, volume) for mask in (of_study, by_series, of_image))
        np.testing.assert_array_equal(by_series.array, of_study.array)
        np.testing.assert_array_equal(of_image.array, of_study.array)
        # The page shows the same, with the plug-in's user as the one who ran it.
        state = client.get(f"/api/studies/{study_id}").json()
        assert state["stage"] == "characterised" and [(event["kind"], event["who"]) for event in state["history"] if event["kind"] == "run"] == [
            ("run", "Slicer user")]
        shown = client.get(f"/api/studies/{study_id}/masks/{state['mask']['mask_id']}.nii")
        (tmp_path / "shown.nii").write_bytes(shown.content)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "shown.nii"))), of_study.array)
        # An edit that the plug-in sends is the study's mask from then on.
        edited = of_study.array.copy()
        edited[:, :, edited.any(axis=(0, 1)).nonzero()[0][0]] = 0
        write_nifti(tmp_path / "edited.nii.gz", of_study.with_array(edited))
        with open(tmp_path / "edited.nii.gz", "rb") as file:
            saved = client.put(f"/datastore/label?image={study_id}&tag=final", data=form, files={"label": ("edited.nii.gz", file)})
        assert saved.json() == {"image": study_id, "label": study_id}
        state = client.get(f"/api/studies/{study_id}").json()
        assert state["stage"] == "mask_edited" and state["mask"]["by"] == "Slicer user"
        np.testing.assert_array_equal(read_mask(client.get(f"/datastore/label?label={study_id}&tag=final"), tmp_path).array, edited)
