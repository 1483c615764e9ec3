"""The data sets that `lirads data import` knows."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lirads_keras.io.datasets.atlas import read_atlas
from lirads_keras.io.datasets.common import ImportedSet
from lirads_keras.io.datasets.itksnap import read_itksnap
from lirads_keras.io.datasets.lits import read_lits
from lirads_keras.io.datasets.liverhccseg import read_liverhccseg
from lirads_keras.io.datasets.lld_mmri import read_lld_mmri
from lirads_keras.io.datasets.nnunet import read_nnunet
from lirads_keras.progress import Progress

ADAPTERS: dict[str, Callable[[Path, Path, Progress], ImportedSet]] = {
    "lits": read_lits, "atlas": read_atlas, "liverhccseg": read_liverhccseg, "lld-mmri": read_lld_mmri, "nnunet": read_nnunet, "itksnap": read_itksnap}
"""Name → adapter: reads a folder in the set's own layout; files that have to be made go to the second folder."""

EXTERNAL_SETS = ("liverhccseg", "atlas")
"""Those on which a run's segmentation can be tested: contrast-enhanced MR with outlined lesions, which the label `tumour` names."""
