"""The worker's jobs with networks whose weights give known constants: which of a run's networks reads what."""
from __future__ import annotations

import json
from math import log
from pathlib import Path

import numpy as np
import pytest
import yaml

from lirads_keras.config.profile import read_profile
from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Study, Volume
from lirads_keras.errors import InputError
from lirads_keras.inference.run_files import find_run_files
from lirads_keras.io.nifti import write_nifti
from lirads_keras.models.unet_plus_plus import HEAD
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.progress import ignore_progress
from lirads_keras.reader import tasks as tasks_module
from lirads_keras.reader.masks import unpack_mask
from lirads_keras.reader.tasks import Tasks
from lirads_keras.run import RunFolder
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"
LESION = {"delayed": 0.75, "three-phase": 0.25}
"""Lesion probability that the network of each variant gives wherever there is body."""

SHAPE, SPACING_MM = (3, 32, 32), (4.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of both segmentation variants, all of whose voxels are above the threshold of `delayed`, and below that of `three-phase`."""
    folder = tmp_path_factory.mktemp("run")
    content = yaml.safe_load(SMOKE.read_text())
    content["preprocessing"]["matrix_px"] = content["segmentation"]["training_crop_px"] = 32
    content["segmentation"] |= {"decoder_filters": [8, 8, 8, 8, 8], "variants": ["delayed", "three-phase"]}
    content["characterization"]["variants"] = ["vgg16-adaptive"]
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    profile, files = read_profile(folder / "profile.yaml"), RunFolder(folder)
    for name, probability in LESION.items():
        network = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", SEGMENTATION_VARIANTS[name].channels)
        kernel, bias = network.get_layer(HEAD).get_weights()
        network.get_layer(HEAD).set_weights([np.zeros_like(kernel), np.reshape([0.0, log(probability / (1 - probability))], bias.shape)])
        files.full(name).path.mkdir(parents=True)
        network.save(files.full(name).weights)
        files.full(name).tested.path.write_text(json.dumps({"threshold_chosen": 0.5, "minimum_volume_mm3": 0}))
    files.full("vgg16-adaptive").path.mkdir(parents=True)
    build_characterization_network(profile.characterization, "vgg16").save(files.full("vgg16-adaptive").weights)
    return folder


def make_study(folder: Path, *phases: Phase) -> tuple[Study, Volume]:
    """NIfTI files of a body that fills the image, and their grid."""
    grid = Volume(np.zeros(SHAPE, np.uint8), SPACING_MM, np.array([[0, 0, 2.0, 0], [0, 2.0, 0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]]))
    series = []
    for number, phase in enumerate(phases):
        write_nifti(folder / f"{phase}.nii", grid.with_array(np.random.default_rng(number).integers(81, 1000, SHAPE).astype(np.int16)))
        series.append(Series(f"1.{number}", (folder / f"{phase}.nii",), phase, "by hand"))
    return Study("alpha", "1.2.3", folder, tuple(series)), grid


@pytest.fixture
def tasks(run) -> Tasks:
    return Tasks(find_run_files(run))


def test_a_study_is_read_by_the_variant_of_most_phases_and_an_image_alone_by_the_papers(run, tasks, tmp_path, monkeypatch):
    study, grid = make_study(tmp_path, Phase.ARTERIAL, Phase.DELAYED)
    loaded: list[str] = []
    read = tasks_module.read_run_models
    monkeypatch.setattr(tasks_module, "read_run_models", lambda files: loaded.append(files.segmentation.name) or read(files))
    assert not tasks.segment_study(study=study, grid=grid, progress=ignore_progress).any() and not loaded
    for _ in range(2):
        mask = tasks.segment_image(path=tmp_path / "delayed.nii", progress=ignore_progress)
        assert mask.array.all() and mask.array.dtype == np.uint8 and mask.shape == SHAPE
    assert loaded == ["delayed"]


def test_where_the_papers_variant_reads_studies_its_networks_are_loaded_once(run, tmp_path, monkeypatch):
    study, grid = make_study(tmp_path, *ENHANCED_PHASES)
    tasks = Tasks(find_run_files(run, segmentation="delayed"))
    monkeypatch.setattr(tasks_module, "read_run_models", lambda files: pytest.fail("loaded again"))
    assert tasks.segment_image(path=tmp_path / "delayed.nii", progress=ignore_progress).array.all()
    assert tasks.segment_study(study=study, grid=grid, progress=ignore_progress).all()


def test_an_image_alone_needs_networks_of_the_papers_variant(run, tmp_path):
    files = find_run_files(run)
    study, _ = make_study(tmp_path, Phase.DELAYED)
    weights = RunFolder(run).full("delayed").weights
    weights.rename(tmp_path / "away")
    try:
        with pytest.raises(InputError) as caught:
            Tasks(files).segment_image(path=tmp_path / "delayed.nii", progress=ignore_progress)
    finally:
        (tmp_path / "away").rename(weights)
    # Without a path: it goes to a client.
    assert str(caught.value) == ("an image without its study: expected a run with networks of the segmentation variant delayed, which alone reads it (full), "
                                 f"found {run.name}, which has none")


def test_a_study_without_a_delayed_phase_is_run_on_the_portal_venous_grid(tasks, tmp_path):
    study, grid = make_study(tmp_path, Phase.ARTERIAL, Phase.PORTAL_VENOUS)
    found = tasks.run(study=study, grid=grid, previous=None, next_number=1, progress=ignore_progress)
    assert unpack_mask(found["mask"]).shape == SHAPE and found["findings"]["phases"] == ["arterial", "portal_venous"]
    assert found["findings"]["versions"]["segmented phases"] == "arterial portal_venous"
    notices = found["findings"]["notices"]
    assert notices[:2] == [
        "Lesions were segmented by the variant three-phase, from the arterial and portal venous phases.",
        "Without a delayed phase the study was read on the grid of the portal venous phase."]
    # The body fills the image.
    assert [notice.split(" keeps ")[0] for notice in notices[2:]] == [
        "In the arterial phase Eq. 1's cut-off of 80", "In the portal venous phase Eq. 1's cut-off of 80"]
    again = tasks.next(study=study, grid=grid, mask=found["mask"], previous=None, next_number=1, progress=ignore_progress)
    assert again["findings"]["notices"] == notices
    with pytest.raises(InputError, match="expected the grid of the images that were opened"):
        tasks.segment_study(study=study, grid=Volume(grid.array, grid.spacing_mm, grid.affine + np.eye(4)), progress=ignore_progress)


def test_the_papers_variant_refuses_a_study_without_a_delayed_phase(run, tmp_path):
    study, grid = make_study(tmp_path, Phase.ARTERIAL, Phase.PORTAL_VENOUS)
    tasks = Tasks(find_run_files(run, segmentation="delayed"))
    for job in (lambda: tasks.segment_study(study=study, grid=grid, progress=ignore_progress),
                lambda: tasks.run(study=study, grid=grid, previous=None, next_number=1, progress=ignore_progress)):
        with pytest.raises(InputError, match="or --segmentation three-phase, which reads a study without it, found arterial, portal_venous"):
            job()
