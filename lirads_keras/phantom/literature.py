"""What others have measured, for the table that holds the cohort against it; nothing in the phantom reads these numbers."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True)
class Published:
    """A published figure with its 95 % interval or range (None: not given), and where it stands."""

    value: float | None
    low: float | None
    high: float | None
    source: str


def share(count: int, total: int, source: str) -> Published:
    """A published share with its Wilson interval."""
    p, z = count / total, NORMAL_QUANTILE
    centre, half = p + z ** 2 / (2 * total), z * np.sqrt(p * (1 - p) / total + z ** 2 / (4 * total ** 2))
    scale = 1 + z ** 2 / total
    return Published(p, float((centre - half) / scale), float((centre + half) / scale), f"{source}: {count}/{total}")


KANG = "Kang 2020, J Magn Reson Imaging 52:795, meta-analysis of 15 studies"
AGREEMENT = {
    "aphe": Published(0.72, 0.62, 0.82, KANG), "washout": Published(0.69, 0.60, 0.78, KANG), "capsule": Published(0.66, 0.58, 0.74, KANG),
    "category": Published(0.70, 0.56, 0.85, KANG), "size": Published(0.97, 0.94, 1.00, KANG)}

DING = "Ding 2018, Cancer Imaging 18:48, Gd-DTPA, HCC"
PARK = "Park 2021, Korean J Radiol 22:1628, gadoxetate, HCC"
ABDOMINAL = "Abdom Radiol 2017, 489 observations"
PREVALENCE = {
    "aphe": (share(129, 145, DING), share(521, 616, PARK), Published(0.71, None, None, ABDOMINAL)),
    "washout": (share(489, 616, PARK), Published(0.63, None, None, ABDOMINAL)),
    "capsule": (share(8, 145, DING), share(181, 616, PARK), Published(0.18, None, None, ABDOMINAL))}

WU = "Wu 2020, Ann Transl Med 8:701, lesions of a clinic"
DARNELL = "Darnell 2015, Radiology 275:698, nodules of 20 mm or less"
CATEGORIES = {
    "LR-3": (share(35, 89, WU), Published(0.44, None, None, ABDOMINAL)), "LR-4": (share(14, 89, WU), Published(0.26, None, None, ABDOMINAL)),
    "LR-5": (share(40, 89, WU), Published(0.30, None, None, ABDOMINAL))}
CATEGORIES_TO_20_MM = {"LR-3": share(42, 112, DARNELL), "LR-4": share(25, 112, DARNELL), "LR-5": share(45, 112, DARNELL)}
MEDIAN_DIAMETER = Published(14.0, None, None, ABDOMINAL)

KLOECKNER = "Kloeckner 2016, BMC Cancer 16:758"
LIVER_OVER_LESION = {
    "HCC": (Published(116.2, None, None, f"{KLOECKNER}, equilibrium"), Published(112.9, None, None, f"{KLOECKNER}, delayed")),
    "hypervascular benign findings": (
        Published(93.8, None, None, f"{KLOECKNER}, hypervascular non-HCC, equilibrium"),
        Published(96.0, None, None, f"{KLOECKNER}, hypervascular non-HCC, delayed"))}
"""Median of 100 × liver over lesion; cut-offs 102 and 101.5."""

NOMINAL = "nominal kinetics of the model (arterial: 25 to 35 s), 1.5 and 3 T"
"""What the kinetics were set to: no literature, but what the measured ratios should scatter around."""

FAT = Published(1 - 0.2, 1 - 0.221, 1 - 0.174, "1 − fat fraction of moderate steatosis, Tang 2013, Radiology 267:422")
FIELD_STRENGTH = "higher at 3 T than at 1.5 T: Tsurusaki 2009, Eur J Radiol 72:314; sizes are our choice"
BREATHING = "our choice: standard deviation 3.5 mm, at most 10 mm"
