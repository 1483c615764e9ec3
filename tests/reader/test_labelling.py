"""The reading application behind MONAI Label's routes: what a plug-in does stands in the journal, as what the page does."""
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lirads_keras.entities import ENHANCED_PHASES, Phase, Study, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import to_order_of
from lirads_keras.io.nifti import read_nifti
from lirads_keras.reader.errors import NotFound, Stale
from lirads_keras.reader.labelling import ServiceLabelling
from lirads_keras.reader.monai_label import LabelledStudy
from lirads_keras.variants import SEGMENTATION_VARIANTS

ALPHA, BETA = "a" * 16, "b" * 16


def build(application) -> ServiceLabelling:
    """Over the scripted application, whose networks find in a lone image what is brighter than 800, and in a study what is in all of its phases."""
    def segment_image(path: Path) -> Volume:
        image = read_nifti(path)
        return image.with_array((image.array > 800).astype(np.uint8))

    def segment_study(study: Study, grid: Volume) -> np.ndarray:
        assert grid.shape == application.jobs.found.shape
        return np.all([read_nifti(series.files[0]).array > 300 for series in study.phases().values()], axis=0)

    def wait(job_id: str, timeout_s: float) -> Any:
        job = application.jobs.find(job_id)
        if not job.ended.wait(timeout_s):
            raise TimeoutError
        if job.error is not None:
            raise job.error
        return job.result

    application.jobs.segment_image, application.jobs.segment_study, application.jobs.wait = segment_image, segment_study, wait
    return ServiceLabelling(application.service, application.source, SEGMENTATION_VARIANTS["three-phase"])


def kinds(application, study_id: str) -> list[tuple[str, str]]:
    return [(event.kind, event.who) for event in application.journal.read_events(study_id) if event.kind != "opened"]


def test_the_first_segmentation_is_the_studys_run(scripted) -> None:
    application = scripted()
    labelling = build(application)
    assert labelling.list_studies() == [LabelledStudy(ALPHA, "alpha", False), LabelledStudy(BETA, "beta / ..", False)]
    assert labelling.find_mask(ALPHA) is None
    segmented = labelling.segment_study(ALPHA, "Slicer")
    np.testing.assert_array_equal(segmented.mask.array, application.jobs.found)
    assert (segmented.variant, segmented.phases) == ("three-phase", ENHANCED_PHASES)
    np.testing.assert_array_equal(segmented.mask.affine, labelling.read_image(ALPHA).affine)
    assert kinds(application, ALPHA) == [("run", "Slicer")]
    np.testing.assert_array_equal(labelling.find_mask(ALPHA), application.jobs.found)
    assert labelling.list_studies()[0].has_mask and application.service.read_state(ALPHA, None)["lesions"]


def test_what_readers_made_of_it_stays_when_it_is_segmented_again(scripted) -> None:
    application = scripted()
    labelling = build(application)
    labelling.segment_study(ALPHA, "Slicer")
    edited = np.zeros_like(application.jobs.found)
    edited[2, 3:9, 4:8] = True
    labelling.save_mask(ALPHA, edited, "Ann")
    again = labelling.segment_study(ALPHA, "OHIF")
    images = [read_nifti(path).array for path in application.service.studies.open(ALPHA).images.values()]
    np.testing.assert_array_equal(again.mask.array, np.all([image > 300 for image in images], axis=0))
    assert again.mask.array.any() and again.phases == ENHANCED_PHASES
    np.testing.assert_array_equal(labelling.find_mask(ALPHA), edited)
    assert kinds(application, ALPHA) == [("run", "Slicer"), ("mask", "Ann")]
    state = application.service.read_state(ALPHA, None)
    assert state["stage"] == "mask_edited" and state["mask"]["by"] == "Ann" and state["can_undo"]


def test_the_phases_that_a_study_has_are_told(scripted) -> None:
    assert build(scripted()).segment_study(BETA, "Slicer").phases == (Phase.PORTAL_VENOUS, Phase.DELAYED)


def test_an_image_without_its_study_is_read_by_the_papers_variant_as_a_delayed_phase(scripted) -> None:
    application = scripted()
    labelling = build(application)
    path = application.service.studies.open(ALPHA).images[Phase.ARTERIAL]
    segmented = labelling.segment_image(path)
    assert (segmented.variant, segmented.phases) == ("delayed", (Phase.DELAYED,))
    np.testing.assert_array_equal(segmented.mask.array, read_nifti(path).array > 800)


def test_a_label_is_saved_before_any_run_and_beside_the_page(scripted) -> None:
    application = scripted()
    labelling = build(application)
    labelling.save_mask(BETA, np.ones_like(application.jobs.found), "Ann")
    assert kinds(application, BETA) == [("mask", "Ann")]
    # The page had the study open: its own edit is told of the other.
    with pytest.raises(Stale) as stale:
        application.service.take_mask(BETA, "Ben", 0, np.zeros_like(application.jobs.found))
    assert stale.value.by == "Ann"


@pytest.mark.parametrize("study_id", [ALPHA, BETA])
def test_image_and_masks_are_in_the_order_in_which_the_delayed_phase_is_stored(scripted, study_id) -> None:
    """A plug-in lays the voxels over the series as they are; the page and the networks see BETA upright, which it is not stored as."""
    application = scripted()
    labelling = build(application)
    opened = application.service.studies.open(study_id)
    stored = read_nifti(opened.study.phases()[Phase.DELAYED].files[0])
    image = labelling.read_image(study_id)
    np.testing.assert_array_equal(image.array, stored.array)
    np.testing.assert_allclose(image.affine, stored.affine, atol=1e-4)
    assert np.array_equal(opened.grid.affine, stored.affine) == (study_id == ALPHA)
    edited = stored.array > np.percentile(stored.array, 99)
    labelling.save_mask(study_id, edited, "Ann")
    np.testing.assert_array_equal(labelling.find_mask(study_id), edited)
    state = application.service.read_state(study_id, None)
    kept = application.service.read_mask(study_id, state["mask"]["mask_id"])[1]
    np.testing.assert_array_equal(kept, to_order_of(edited, opened.stored, opened.grid))


def test_two_plug_ins_wait_for_one_run(scripted) -> None:
    application = scripted(at_once=False)
    labelling = build(application)
    masks: list[np.ndarray] = []
    first = threading.Thread(target=lambda: masks.append(labelling.segment_study(ALPHA, "first").mask.array))
    first.start()
    while not application.jobs.jobs:
        pass
    second = threading.Thread(target=lambda: masks.append(labelling.segment_study(ALPHA, "second").mask.array))
    second.start()
    with pytest.raises(Stale):
        labelling.save_mask(ALPHA, np.ones_like(application.jobs.found), "Ann")
    application.jobs.work()
    first.join(20)
    second.join(20)
    # The second may have come after the run: then it got the network's mask of the image alone.
    assert len(masks) == 2 and kinds(application, ALPHA)[-1] == ("run", "first")
    assert kinds(application, ALPHA)[0][0] == "set_aside"


def test_a_run_that_fails_is_told_and_tried_again(scripted) -> None:
    application = scripted()
    labelling = build(application)
    application.jobs.error = InputError(Problem("the delayed phase", "an image that Eq. 1 can scale", "a black one"))
    with pytest.raises(InputError, match="a black one"):
        labelling.segment_study(ALPHA, "Slicer")
    with pytest.raises(InputError, match="a black one"):
        labelling.segment_image(Path("image.nii"))
    application.jobs.error = None
    np.testing.assert_array_equal(labelling.segment_study(ALPHA, "Slicer").mask.array, application.jobs.found)


def test_a_wait_ends(scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    application = scripted(at_once=False)
    labelling = build(application)
    monkeypatch.setattr("lirads_keras.reader.labelling.WAIT_S", 0.01)
    with pytest.raises(InputError, match="an end within 0.01 s"):
        labelling.segment_image(Path("image.nii"))
    assert not application.jobs.jobs
    with pytest.raises(InputError, match="an end within 0.01 s"):
        labelling.segment_study(ALPHA, "Slicer")
    assert application.service.read_state(ALPHA, None)["job"]["state"] == "queued"


def test_a_series_names_the_study_on_whose_grid_it_lies(scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    application = scripted()
    labelling = build(application)
    assert labelling.find_study("1.2.0") is None
    monkeypatch.setattr(application.source, "find_study", lambda series_uid: ALPHA)
    series = application.service.studies.open(ALPHA).study.phases()
    assert labelling.find_study(series[Phase.DELAYED].series_uid) == ALPHA
    with pytest.raises(InputError, match="found its arterial phase"):
        labelling.find_study(series[Phase.ARTERIAL].series_uid)
    with pytest.raises(InputError, match="found another series of the study"):
        labelling.find_study("1.2.77")
    application.source.lacking = Phase.DELAYED
    monkeypatch.setattr(application.source, "find_study", lambda series_uid: BETA)
    assert labelling.find_study(series[Phase.PORTAL_VENOUS].series_uid) == BETA
    with pytest.raises(InputError, match="the series of the study's portal venous phase, on whose grid lesions are segmented, found its arterial"):
        labelling.find_study(series[Phase.ARTERIAL].series_uid)


def test_an_unknown_study(scripted) -> None:
    labelling = build(scripted())
    for call in (labelling.read_image, labelling.find_mask, lambda study_id: labelling.segment_study(study_id, "x")):
        with pytest.raises(NotFound):
            call("c" * 16)
