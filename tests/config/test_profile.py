from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lirads_keras.config.profile import read_profile
from lirads_keras.errors import InputError
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

PROFILES = Path(__file__).parents[2] / "experiments" / "profiles"


def changed(tmp_path: Path, **sections: dict) -> Path:
    content = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    for section, values in sections.items():
        content[section] = {**content[section], **values} if isinstance(values, dict) else values
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("name", ["smoke", "cpu", "gpu", "paper"])
def test_every_profile_is_valid_and_keeps_its_name(name):
    assert read_profile(PROFILES / f"{name}.yaml").name == name


def test_profiles_have_the_same_keys_so_that_they_differ_in_numbers_only():
    def keys(value, prefix=""):
        if not isinstance(value, dict):
            return {prefix}
        return {key for name, inner in value.items() for key in keys(inner, f"{prefix}.{name}")}

    by_profile = {path.stem: keys(yaml.safe_load(path.read_text())) for path in PROFILES.glob("*.yaml")}
    assert len(by_profile) == 4
    # A training that a profile has not.
    absent = ".segmentation.shared_start"
    for found in by_profile.values():
        assert absent in found or any(key.startswith(f"{absent}.") for key in found)
    assert len({frozenset(key for key in found if not key.startswith(absent)) for found in by_profile.values()}) == 1


@pytest.mark.parametrize("name", ["cpu", "gpu", "paper"])
def test_cohorts_have_the_size_that_the_paper_prints(name):
    profile = read_profile(PROFILES / f"{name}.yaml")
    assert (profile.cohort.patients_positive, profile.cohort.patients_negative, profile.segmentation.folds) == (111, 92, 9)
    assert profile.preprocessing.background_cutoff == 80 and profile.preprocessing.upper_percentile == 99


@pytest.mark.parametrize("name", ["cpu", "gpu", "paper"])
def test_every_variant_of_the_paper_and_the_direct_networks_are_trained(name):
    settings = read_profile(PROFILES / f"{name}.yaml").characterization
    assert set(settings.variants) == set(CHARACTERIZATION_VARIANTS) and settings.half_split
    assert len(settings.seeds) >= (1 if name == "cpu" else 3)
    assert settings.weights == ("formula" if name == "cpu" else "imagenet")


def test_paper_profile_has_the_printed_sizes():
    profile = read_profile(PROFILES / "paper.yaml")
    assert profile.preprocessing.matrix_px == profile.segmentation.training_crop_px == 512
    assert profile.characterization.crop_px == 224
    assert profile.segmentation.width_factor == profile.characterization.width_factor == 1


def test_all_unknown_missing_and_bad_settings_are_reported_at_once(tmp_path):
    path = changed(tmp_path, preprocessing={"background_cutof": 80, "upper_percentile": 120}, workflow={"threads": 0})
    with pytest.raises(InputError) as caught:
        read_profile(path)
    text = str(caught.value)
    assert "preprocessing.background_cutof: expected no such key (unknown setting), found 80" in text
    assert "preprocessing.upper_percentile" in text and "120" in text
    assert "workflow.threads" in text
    assert len(caught.value.problems) == 3
    assert all(str(path) in problem.where for problem in caught.value.problems)


def test_a_setting_that_there_was_is_refused_with_what_does_its_work(tmp_path):
    with pytest.raises(InputError, match=r"inference.folds: expected no such key \(.*--networks full\|ensemble\|fold-K instead\), found 'all'$"):
        read_profile(changed(tmp_path, inference={"folds": "all"}))


@pytest.mark.parametrize("sections, words", [
    ({"preprocessing": {"matrix_px": 65}}, "multiple of 32"),
    ({"preprocessing": {"ct_window_hu": [10, 10]}}, "must rise"),
    ({"segmentation": {"training_crop_px": 48}}, "multiple of 32"),
    ({"segmentation": {"decoder_filters": [1, 2]}}, r"needs 5 numbers with stem: paper \(strides 16, 8, 4, 2, 1\), not 2"),
    ({"segmentation": {"stem": "full_resolution"}}, r"needs 4 numbers with stem: full_resolution \(strides 8, 4, 2, 1\), not 5"),
    ({"segmentation": {"stem": "full_resolution", "decoder_filters": [8, 8, 8, 8], "encoder_weights": "imagenet", "width_factor": 1.0}},
     "imagenet needs stem: paper, not full_resolution"),
    ({"segmentation": {"stem": "none"}}, "'paper' or 'full_resolution'"),
    ({"segmentation": {"training_crop_px": 128}}, "larger than preprocessing.matrix_px"),
    ({"segmentation": {"folds": 1}}, "greater than or equal to 2"),
    ({"segmentation": {"loss": {"dice": "per_pixel", "lovasz_below_loss": -1.4}}}, "above -1"),
    ({"cohort": {"seed": -1}}, "greater than or equal to 0"),
    ({"characterization": {"variants": ["vgg19"]}}, "vgg16-adaptive"),
    ({"segmentation": {"variants": ["arterial"]}}, "variants are of delayed, three-phase, not arterial"),
    ({"segmentation": {"variants": ["three-phase"]}}, "variants must include delayed.*not three-phase alone"),
    ({"segmentation": {"seeds": [1, 2]}}, "exactly one .*, not 1, 2"),
    ({"segmentation": {"seeds": []}}, "one or more, each once, not none"),
    ({"characterization": {"variants": ["vgg16-plain", "vgg16-plain"]}}, "each once, not vgg16-plain, vgg16-plain"),
    ({"characterization": {"variants": []}}, "one or more, each once, not none"),
    ({"characterization": {"seeds": []}}, "one or more, each once, not none"),
    ({"characterization": {"seeds": [7, 8, 7]}}, "each once, not 7, 8, 7"),
    ({"characterization": {"weights": "imagenet"}}, "imagenet needs width_factor 1, not 0.125"),
    ({"characterization": {"weights": "images"}}, "'imagenet', 'formula' or 'random'"),
    ({"characterization": {"formula": {"classes": 1, "images_per_class": 9, "epochs": 1, "batch_size": 4, "learning_rate": 0.1, "seed": 1}}},
     "greater than or equal to 2"),
    ({"characterization": {"formula": {"classes": 3, "images_per_class": 2, "epochs": 1, "batch_size": 8, "learning_rate": 0.1, "seed": 1}}},
     "hold a full batch of 8, not 6"),
    ({"preprocessing": {"background_cutoff": float("nan")}}, "finite number"),
    ({"draws": {"fresh_seed": 2023}}, "differ from each other, not 2023, 2023, 4002"),
    ({"draws": {"shifted_seed": 4001}}, "differ from each other, not 2023, 4001, 4001"),
    ({"draws": {"curve_patients": 4}}, "some of the fresh draw's 3 patients, not 4"),
    ({"draws": {"curve_patients": 13, "patients_positive": None, "patients_negative": None}}, "some of the fresh draw's 12 patients, not 13"),
    ({"draws": {"moved_mm": [3, 3]}}, "each once"),
    ({"draws": {"arterial_later_s": [30]}}, "less than or equal to 10"),
])
def test_settings_that_cannot_work_are_refused(tmp_path, sections, words):
    with pytest.raises(InputError, match=words):
        read_profile(changed(tmp_path, **sections))


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"a: [", b"\xff\xfe\x00"])
def test_a_file_that_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "profile.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="profile.yaml"):
        read_profile(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_profile(tmp_path / "absent.yaml")


def test_a_section_digest_changes_with_its_settings_only(tmp_path):
    before = read_profile(changed(tmp_path))
    after = read_profile(changed(tmp_path, cohort={"seed": 7}))
    assert before.cohort.digest() != after.cohort.digest()
    assert before.ct.digest() == after.ct.digest()
