"""What may be a phase of a T1-weighted dynamic liver MRI. Each table says first what is right."""
from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import Phase
from lirads_keras.io.phase_facts import SeriesFacts
from lirads_keras.io.phases import find_phases
from lirads_keras.io.suitability import LARGEST_OBLIQUITY_DEG, find_name_obstacle, find_obstacle, find_plane_obstacle, find_weighting_obstacle

AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)

SET_ASIDE: dict[str, list[str]] = {
    "fat image of a Dixon series": [
        "FAT: Ax LAVA-Flex ART", "Ph2/FAT: Ax LAVA-Flex Multi Phase", "Ax LAVA-Flex ART FAT", "LAVA FLEX FAT ART", "t1_vibe_dixon_tra_bh_art_F",
        "t1_vibe_dixon_tra_bh_pv_F_ND", "t1_vibe_dixon_tra_caipi_F_arterial", "mDIXON F ART", "mDIXON-F_BH delayed", "F mDIXON ART", "e-THRIVE mDixon_ART_F",
        "gre_3d_wfi_tra_bh_art_F", "quick3d_wfi_Fat art", "IDEAL FAT portal", "WFS Fat arterial", "FatSep art FAT", "art fat only", "Fat image delayed",
        "LAVA Flex 脂肪像 动脉期", "Fettbild arteriell", "DIXON fatonly art", "FATONLY art", "only fat art", "imagen grasa arterial", "Dixon graisse art",
        "Fett Dixon arteriell",
        "脂肪 Dixon 动脉期", "脂像 动脉期", "F art mDIXON", "F: Ax LAVA art"],
    "in- or opposed-phase image": [
        "InPhase: Ax LAVA-Flex ART", "OutPhase: Ax LAVA-Flex ART", "In Phase: PV", "OUT OF PHASE delayed", "Ax T1 in/out", "T1 IN-OPP",
        "t1_vibe_dixon_art_in", "t1_vibe_dixon_tra_bh_art_opp", "t1_vibe_dixon_tra_opp_art_ND", "t1_vibe_dixon_tra_in_art", "t1_fl2d_opp-in_tra_mbh",
        "t1_fl2d_tra_in", "mDIXON IP ART", "mDIXON OP delayed", "mDIXON OOP portal", "gre_3d_wfi_IP_art", "wfi_tra_OP_delay", "dual echo art", "DUAL_FFE BH",
        "T1 DualEcho", "opposed phase", "Ax FSPGR Opposed", "T1 en fase y fuera de fase", "T1 fuera de fase arterial", "T1 en phase",
        "T1 en opposition de phase", "hors phase", "fora de fase", "fuori fase", "T1 in fase", "gegenphasig", "同反相位", "T1 反相位 动脉期", "正相位/反相位 dual echo",
        "逆位相", "T1 uit fase art", "opposta fase art", "oposición de fase arterial", "phase opposée portal", "contraphase art", "去相位 门脉期",
        "オポーズド 動脈相", "chemical shift art", "VIBE_in_BH portal", "WFOP art", "LAVA-Flex art OUT", "opp_-_phase art", "In: Ax LAVA art",
        "OutPh: LAVA art", "OPhase: LAVA art", "I/O phase art", "dual GRE art", "double écho portal", "Doppelecho art"],
    "computed image": [
        "SUB arterial", "ART SUB", "t1_vibe_fs_tra_art_SUB", "Sub1 ART-PRE", "subtraction delayed", "Subtracted PV", "SUBTR art", "dSUB eTHRIVE art",
        "(SUB) portal", "Subtraktion arteriell", "soustraction temps portal", "sottrazione arteriosa", "sustracción arterial", "subtração portal",
        "subtractie art", "subtrakcja faza tetnicza", "субтракция артериальная", "减影 动脉期", "サブトラクション 動脈相", "감산 동맥기", "MIP ARTERIAL", "COR MIP art",
        "t1_vibe_art_MIP_COR", "MinIP delayed", "MIN IP portal", "maxIP art", "tMIP art", "art mip10mm", "ArtMIPs", "PJN: ART", "Projection art",
        "COLLAPSED art", "MPR art", "art_MPR_COR", "COR MPR delayed", "delayed CORMPR", "t1_vibe_art<MPR Range[1]>", "marked lesion<MPR Collection>",
        "art mpr3mm", "multiplanar art", "MPVR art", "VRT portal", "Volume Rendering portal", "COR REFORMAT ART", "Reformatted delayed", "re-format PV",
        "RFMT ART", "3D RECON ART", "Recon 3D portal", "reconstruction coronale art", "Rekonstruktion art", "ricostruzione art", "reconstrucción arterial",
        "riformattazione art", "重建 动脉期", "MEAN art", "art_mean", "Average art", "AVG delayed", "std dev art",
        "screenshot art", "Key images art", "Processed images art", "Post-processing portal", "CPR art", "Curved Planar portal", "Cor Recon art",
        "COR RECONS PORTAL",
        "3D VR art", "SSD art", "maximum intensity art", "thick slab portal", "Fused art", "Color image art", "dyn2-dyn1 art", "ratio image portal", "DSA art",
        "resampled art", "segmentation art", "MIPthick art", "AvgIP art", "PVSUB delayed", "subART portal", "art minus pre", "SUBSTR art"],
    "other weighting": [
        "T2 HASTE arterial", "AX T2 delayed", "FIESTA art", "MRCP 3D delayed", "MR cholangiography portal", "STIR art", "t2_tirm_delay", "bSSFP art",
        "fast spin echo portal", "single shot delayed", "ssTSE delayed", "TRUE FISP art", "balanced FFE art", "PD fs portal", "proton density portal",
        "SSHT2 delayed"],
    "diffusion": [
        "DWI b800 art", "ADC (10^-6 mm2/s)", "dADC map arterial?", "ep2d_diff_b50_400_800_tra_ADC", "eADC art", "cDWI b1500", "IVIM art", "弥散 动脉期",
        "uDWI art", "ep2d portal", "Apparent Diffusion portal", "b0 art", "hi-b art", "ssEPI art", "isoADC art"],
    "quantitative map": [
        "R2*: IDEAL IQ", "FatFrac: Ax IDEAL IQ", "WATER: Ax IDEAL IQ", "T1 map delayed", "PDFF", "MR Elasto delayed", "mDIXON Quant", "B1 map",
        "Look-Locker arterial", "SASHA T1 delayed", "r2star delayed", "stiffness map portal", "wave images delayed",
        "MR Touch portal", "Water Fraction portal", "%fat art", "q-dixon portal", "sensitivity map art", "perfusion map art"],
    "flow or angiography": [
        "portal vein flow 2D PC", "PV flow", "Qflow portal", "4D flow art", "2D PC hepatic artery", "phase contrast portal vein", "fl_pc portal",
        "PORTAL VEIN MRV", "MRA abdomen arterial", "TOF art", "TRICKS art", "angiography arterial", "MR Angio portal", "Inhance inflow portal", "cine portal",
        "VENC 30 portal", "MR portography", "portal venogram", "血管造影 动脉期", "4Dflow portal", "time-of-flight portal", "Time SLIP art", "NATIVE SPACE art",
        "QISS art",
        "fresh blood imaging art", "PCA portal"],
    "perfusion or susceptibility": [
        "ASL art", "3D pCASL delayed", "SWI venous", "SWAN art", "SWIp venous", "VenBOLD venous", "susceptibility venous", "TTP art", "Ktrans art",
        "Wash-in arterial", "Time to Peak art", "BOLD portal", "ESWAN portal",
        "Mag_Images art"],
    "scout": [
        "3-pl Loc", "CARE_BOLUS_CM arterial", "survey art", "SmartPrep art", "bolus tracking arterial", "timing bolus art", "pilot art", "SENSE ref art",
        "PreScan art",
        "fluoro art"],
}
"""Kind, and names of it that name a phase besides, most of them."""

READ = [
    # Water images stay.
    "WATER: Ax LAVA-Flex ART", "Ph1/WATER: AX LAVA FLEX ART", "Ax LAVA-Flex art Water", "t1_vibe_dixon_tra_bh_art_W", "mDIXON-W_BH art", "mDIXON W ART",
    "W mDixon art", "gre_3d_wfi_tra_art_W", "quick3d_wfi_Water_art", "mDIXON-All_BH art", "t1_vibe_e-dixon_tra_bh_W art", "Ax LAVA-Flex ART",
    # Fat suppression is no fat image.
    "fat sat arterial", "FATSAT ART", "Fat-Sat LAVA delayed", "Fat supp art", "FAT SUPPRESSED portal", "T1 fat sup art", "t1_vibe_fs_art", "T1 sat fat art",
    "art no fat", "fat/water sep art", "T1 DIXON fat sat art", "T1 压脂 动脉期", "T1 SPAIR art", "mit Fettsuppression arteriell",
    # "in phase" in other tongues speaks of the contrast phase.
    "T1 en fase arterial", "T1 em fase portal", "T1 in fase arteriosa", "T1 en phase artérielle", "en phase tardive", "t1 in arterial phase",
    "dixon in arterial phase", "dixon in the arterial phase",
    # After or before an operation.
    "AX LAVA post op art", "Pre-OP delayed", "nach OP arteriell", "vor OP portal",
    # Deep-learning and other reconstructions are how an original comes about.
    "Ax LAVA ART AIR Recon DL", "DL reconstruction art", "deep learning reconstruction portal", "deep resolve art", "compr sens art", "3D Recon DL art",
    # Findings and protocols that sound like something else.
    "hemangioma arterial", "血管瘤 动脉期", "angiomyolipoma art", "cholangiocarcinoma portal", "HCC FLOW COMP art", "t1_fl3d flow comp art",
    "arterial phase contrast",
    "delayed phase contrast", "T1 contrast phase art", "non-angiographic liver portal", "CE-MRA art", "hepatic artery CEMRA", "washout delayed",
    "subacute art", "art 4 averages", "TWIST VIBE art", "MPRAGE art", "subsegmental art", "t1_twist_vibe_dyn_art", "CAIPI_VIBE_art_TT=21.5s", "DISCO ART 1",
    "art_MOCO", "eTHRIVE_dyn BH", "StarVIBE portal", "breathe in art", "t1_vibe breathe in", "DYNAMIC PORTAL INSP", "sub-second dynamic art",
    "Sub-segmental art", "MIPS Hospital LAVA art", "LAVA art, SWIS Hospital", "diffuse liver disease art", "diffus arteriell", "OP-Kontrolle arteriell",
    "vibe dixon W in expiration art", "Diffley art", "T20 art", "EPIC art", "colorectal mets art", "PET-MR LAVA art", "Snapshot FLASH art",
    "washout delayed", "wave-CAIPI art",
    "T1_VIBE_DIXON_W art",
    "Water only portal", "sans graisse Dixon artériel", "Dixon Fettsättigung arteriell", "DIXON 脂肪抑制 动脉期", "perfusion art", "Ax 3D Dyn 3 min delay", "venous"]


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, names in SET_ASIDE.items() for name in names])
def test_names_that_are_no_phase(kind: str, name: str) -> None:
    obstacle = find_name_obstacle(name)
    assert obstacle is not None and not obstacle.is_final and obstacle.reason.startswith(kind), obstacle
    assert obstacle.replaces_phase == (kind in ("fat image of a Dixon series", "in- or opposed-phase image", "computed image"))


@pytest.mark.parametrize("name", READ)
def test_names_of_phases_that_sound_like_something_else(name: str) -> None:
    assert find_name_obstacle(name) is None


def normal_at(angle_deg: float, around_deg: float) -> tuple[float, ...]:
    """The orientation of slices whose normal is tilted by an angle from the head-foot axis, towards a direction in the axial plane."""
    tilt, towards = radians(angle_deg), radians(around_deg)
    normal = np.array([sin(tilt) * cos(towards), sin(tilt) * sin(towards), cos(tilt)])
    row = np.array([-sin(towards), cos(towards), 0.0])
    return (*row, *np.cross(normal, row))


@pytest.mark.parametrize("angle, around, words", [
    (0, 0, None), (12, 90, None), (30, 90, None), (30, 200, None), (44, 45, None), (180, 0, None), (150, 90, None), (50, 90, "coronal slices, 50°"),
    (70, 100, "coronal slices, 70°"), (90, 270, "coronal slices, 90°"), (90, 0, "sagittal slices, 90°"), (60, 10, "sagittal slices, 60°"),
    (120, 90, "coronal slices, 60°")])
def test_axial_and_oblique_axial_planes_are_read_and_others_not(angle: float, around: float, words: str | None) -> None:
    obstacle = find_plane_obstacle(normal_at(angle, around))
    assert (obstacle is None) if words is None else (obstacle is not None and obstacle.is_final and obstacle.reason.startswith(words)), obstacle


@given(st.floats(0, 90), st.floats(0, 360), st.booleans(), st.booleans(), st.booleans())
def test_how_rows_and_columns_run_does_not_change_the_plane(angle: float, around: float, turn_row: bool, turn_column: bool, swap: bool) -> None:
    orientation = np.array(normal_at(angle, around))
    row, column = orientation[:3] * (-1 if turn_row else 1), orientation[3:] * (-1 if turn_column else 1)
    turned = (*column, *row) if swap else (*row, *column)
    # At the boundary itself the last digits decide.
    if abs(angle - LARGEST_OBLIQUITY_DEG) > 0.2:
        assert (find_plane_obstacle(turned) is None) == (angle < LARGEST_OBLIQUITY_DEG)


@pytest.mark.parametrize("image_type, kind", [
    ("DERIVED\\PRIMARY\\DIXON\\FAT", "a fat"), ("ORIGINAL\\PRIMARY\\DIXON\\NORM\\FAT\\DIS3D", "a fat"), ("DERIVED\\PRIMARY\\DIXON\\IN_PHASE", "a fat"),
    ("ORIGINAL\\PRIMARY\\DIXON\\OPP_PHASE", "a fat"), ("DERIVED\\PRIMARY\\DIXON\\OUT_PHASE", "a fat"), ("DERIVED\\PRIMARY\\F\\F\\DERIVED", "a fat"),
    ("ORIGINAL\\PRIMARY\\IP\\IP\\DERIVED", "a fat"), ("ORIGINAL\\PRIMARY\\OP\\OP\\DERIVED", "a fat"),
    ("DERIVED\\PRIMARY\\DIXON\\FAT_FRACTION", "a derived image"), ("DERIVED\\SECONDARY\\MEAN", "a derived image"),
    ("DERIVED\\PRIMARY\\M\\SUB\\NORM", "a derived image"), ("DERIVED\\SECONDARY\\MPR\\CSA MPR\\\\CSAPARALLEL", "a derived"),
    ("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE", "a derived image"), ("DERIVED\\SECONDARY\\MIN IP", "a derived"),
    ("DERIVED\\PRIMARY\\PROJECTION IMAGE\\M\\FFE", "a derived"), ("ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE", "a derived"),
    ("ORIGINAL\\PRIMARY\\P\\ND", "a derived"), ("ORIGINAL\\PRIMARY\\VELOCITY MAP", "a derived"), ("ORIGINAL\\PRIMARY\\ASL\\NONE", "another contrast"),
    ("DERIVED\\PRIMARY\\SUB_IMAGE", "computed image"), ("ORIGINAL\\PRIMARY\\HASTE", "other weighting"), ("ORIGINAL\\PRIMARY\\M_SE\\M\\SE", "another"),
    ("DERIVED\\PRIMARY\\OUTOFPHASE", "in- or opposed"), ("ORIGINAL\\PRIMARY\\SURVEY", "scout"), ("ORIGINAL\\PRIMARY\\MRA", "flow"),
    ("DERIVED\\SECONDARY\\CSA AVERAGE", "a derived"), ("ORIGINAL\\PRIMARY\\PHASE_DIFFERENCE", "a derived"), ("DERIVED\\PRIMARY\\WATER\\FAT_SAT", None),
    ("DERIVED\\PRIMARY\\M\\NORM\\DIS3D\\COMP_DIF", None), ("ORIGINAL\\PRIMARY\\M\\DRB", None),
    ("DERIVED\\SECONDARY\\MAXIMUM INTENSITY PROJECTION", "a derived"), ("DERIVED\\SECONDARY\\CURVED MPR", "a derived"),
    ("DERIVED\\PRIMARY\\T2*_MAP", "a derived"), ("DERIVED\\SECONDARY\\SUBTRACTED", "a derived"), ("DERIVED\\SECONDARY\\CSA RESAMPLED", "a derived"),
    ("DERIVED\\PRIMARY\\STIFFNESS", "a derived"),
    ("DERIVED\\PRIMARY\\M\\R2STAR", "a derived"), ("DERIVED\\PRIMARY\\KTRANS", "a derived"), ("ORIGINAL\\PRIMARY\\R_FFE\\R\\FFE", "a derived"),
    ("DERIVED\\SECONDARY\\SCREEN SAVE", "a derived"), ("DERIVED\\SECONDARY\\FUSED", "a derived"), ("DERIVED\\PRIMARY\\CALC_BVALUE", "a derived"),
    ("DERIVED\\PRIMARY\\DIXON\\FAT_ONLY", "a fat"), ("DERIVED\\PRIMARY\\DIXON\\OP_PHASE", "a fat"), ("ORIGINAL\\PRIMARY\\TIME_OF_FLIGHT", "another"),
    ("ORIGINAL\\PRIMARY\\M_PCA\\M\\PCA", "another"), ("ORIGINAL\\PRIMARY\\MRCP", "another"), ("ORIGINAL\\PRIMARY\\M\\TT=22.1", None),
    ("DERIVED\\PRIMARY\\DYNAMIC\\NONE", None), ("ORIGINAL\\PRIMARY\\POST_CONTRAST\\NONE", None), ("ORIGINAL\\PRIMARY\\M_IR\\M\\IR", None),
    ("DERIVED\\PRIMARY\\DIXON\\WATER", None), ("DERIVED\\PRIMARY\\W\\W\\DERIVED", None), ("ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", None),
    ("DERIVED\\SECONDARY\\OTHER", None), ("ORIGINAL\\PRIMARY\\M\\ND\\NORM\\FM4_1\\FIL", None), ("ORIGINAL\\PRIMARY\\T1\\NONE", None),
    ("ORIGINAL\\PRIMARY\\M\\DIS2D\\MOCO", None), ("ORIGINAL\\PRIMARY\\OTHER", None), ("ORIGINAL\\PRIMARY", None), ("", None)])
def test_image_types(image_type: str, kind: str | None) -> None:
    obstacle = find_obstacle("MR", AXIAL, image_type.split("\\"))
    assert (obstacle is None) if kind is None else (obstacle is not None and not obstacle.is_final and kind in obstacle.reason), obstacle


@pytest.mark.parametrize("echo_time, b_value, words", [
    (1.2, None, None), (4.8, 0.0, None), (23.0, None, None), (None, None, None), (80.0, None, "EchoTime 80 ms: another weighting"),
    (650.0, None, "EchoTime 650"), (2.4, 50.0, "DiffusionBValue 50 s/mm²"), (60.0, 800.0, "DiffusionBValue 800")])
def test_what_the_physics_say(echo_time: float | None, b_value: float | None, words: str | None) -> None:
    obstacle = find_weighting_obstacle(echo_time, b_value)
    assert (obstacle is None) if words is None else (obstacle is not None and not obstacle.is_final and obstacle.reason.startswith(words)), obstacle
    finding, = find_phases([SeriesFacts("LAVA portal", orientation=AXIAL, echo_time_ms=echo_time, b_value=b_value)]).findings
    assert finding.phase is (Phase.PORTAL_VENOUS if words is None else Phase.OTHER)
    named, = find_phases([SeriesFacts("T2 portal", orientation=AXIAL, echo_time_ms=echo_time, b_value=b_value)]).findings
    assert named.obstacle and named.obstacle.reason.startswith("SeriesDescription 'T2 portal'") and not named.obstacle.replaces_phase


@pytest.mark.parametrize("modality", ["CT", "PT", "OT"])
def test_another_modality_is_no_phase(modality: str) -> None:
    obstacle = find_obstacle(modality, AXIAL, ())
    assert obstacle is not None and obstacle.is_final and modality in obstacle.reason and find_obstacle("MR", AXIAL, ()) is None


def test_what_is_kept_out_still_says_what_phase_it_would_be() -> None:
    findings = find_phases([
        SeriesFacts("LAVA arterial", orientation=AXIAL), SeriesFacts("COR LAVA DELAYED", orientation=CORONAL), SeriesFacts("SUB portal"),
        SeriesFacts("LAVA arterial", modality="CT"), SeriesFacts("T2 delayed"), SeriesFacts("DYN", orientation=CORONAL)]).findings
    assert [finding.phase for finding in findings] == [Phase.ARTERIAL, *[Phase.OTHER] * 5]
    assert [finding.candidates for finding in findings] == [(), (Phase.DELAYED,), (Phase.PORTAL_VENOUS,), (Phase.ARTERIAL,), (Phase.DELAYED,), ()]
    assert [finding.obstacle.is_final for finding in findings if finding.obstacle] == [True, False, True, False, True]


def test_a_study_without_axial_mr_is_asked_about_where_nothing_tells_a_phase() -> None:
    for facts in (SeriesFacts("IR 3DFGRE", orientation=SAGITTAL), SeriesFacts("", modality="CT")):
        open_one, = find_phases([facts]).findings
        assert open_one.phase is None and open_one.obstacle is None and ("sagittal" in open_one.evidence or "CT" in open_one.evidence)
        assert find_phases([facts, SeriesFacts("DYN", orientation=AXIAL)]).findings[0].phase is Phase.OTHER
    assert find_phases([SeriesFacts("delayed", orientation=SAGITTAL)]).findings[0].phase is Phase.OTHER


def test_the_name_of_an_examination_does_not_speak_of_each_series() -> None:
    asked, set_aside, named = find_phases([
        SeriesFacts("Ph1/Ax LAVA", "Liver with MRCP", seconds_after_contrast=180), SeriesFacts("", "t2_haste_tra"),
        SeriesFacts("LAVA delayed", "Liver with MRCP")]).findings
    assert (asked.phase, set_aside.phase, named.phase) == (None, Phase.OTHER, Phase.DELAYED) and len(asked.candidates) == 3
