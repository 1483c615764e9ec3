"""Label maps with bytes set, inserted or deleted: read as labels, or refused with what was expected and found."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import MEMORY_BYTES, MUTATIONS, Mutations, find_peak_bytes, mutate

from lirads_keras.errors import InputError
from lirads_keras.io.label_maps import read_label_map

EXAMPLES = 300

HEADER_BYTES = 400
"""Half of the changes fall into the first bytes, since the headers are short."""


@pytest.mark.slow
@pytest.mark.parametrize("name, packed", [
    ("mask.nii", False), ("mask.nii.gz", True), ("mask.nrrd", False), ("mask.nrrd", True), ("mask.seg.nrrd", True), ("mask.mha", False), ("mask.mha", True)])
def test_mutated_label_maps_are_read_or_refused(tmp_path: Path, name: str, packed: bool) -> None:
    """About 2 s each."""
    labels = np.zeros((4, 9, 8), np.uint8)
    labels[1:3, 2:6, 3:7] = 1
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((1.5, 2.0, 4.0))
    if ".seg." in name:
        image.SetMetaData("Segment0_Name", "lesion")
        image.SetMetaData("Segment0_LabelValue", "1")
        image.SetMetaData("Segment0_Layer", "0")
    path = tmp_path / name
    sitk.WriteImage(image, str(path), useCompression=packed)
    original = path.read_bytes()
    np.testing.assert_array_equal(read_label_map(path).volume.array, labels)

    @settings(max_examples=EXAMPLES, deadline=4000, database=None)
    @given(MUTATIONS, st.booleans())
    def read(mutations: Mutations, in_header: bool) -> None:
        cut = HEADER_BYTES if in_header else len(original)
        path.write_bytes(mutate(original[:cut], mutations) + original[cut:])
        try:
            volume = read_label_map(path).volume
            assert volume.array.dtype in (np.uint8, np.uint16) and volume.array.ndim == 3 and np.isfinite(volume.affine).all()
        except InputError as error:
            assert all(problem.expected and problem.found for problem in error.problems)
            assert "0x" not in str(error) and "site-packages" not in str(error)

    read()
    # A reader that believes a mutated size asks for far more.
    assert find_peak_bytes() < MEMORY_BYTES
