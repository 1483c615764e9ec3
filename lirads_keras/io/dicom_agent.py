"""The contrast agent that a DICOM image names, in words."""
from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, BinaryIO

from lirads_keras.io.dicom_elements import Elements
from lirads_keras.io.dicom_walk import read_dataset


def read_contrast_agent(elements: Elements, file: BinaryIO | None = None, dataset: Any = None) -> str:
    """ContrastBolusAgent, a text, and the agents that ContrastBolusAgentSequence names by a code or its meaning; empty where neither can be read.

    Args:
        elements: of the file.
        file: to read the sequence from.
        dataset: the sequence's, where it was read already.
    """
    words_of_agent = []
    # An image whose agent cannot be read is an image all the same; pydicom raises many kinds of exceptions.
    with suppress(Exception):
        words_of_agent.append(elements.text("ContrastBolusAgent"))
    with suppress(Exception):
        if dataset is None and file is not None and elements.has("ContrastBolusAgentSequence"):
            file.seek(0)
            dataset = read_dataset(file, stop_before_pixels=True, specific_tags=["ContrastBolusAgentSequence"])
        for item in (dataset.get("ContrastBolusAgentSequence") if dataset is not None else None) or ():
            value = str(item.get("CodeValue") or item.get("LongCodeValue") or "")
            words_of_agent += [str(item.get("CodeMeaning") or ""), _name_code(value, str(item.get("CodingSchemeDesignator") or ""))]
    return "; ".join(dict.fromkeys(filter(None, words_of_agent)))


@lru_cache(maxsize=256)
def _name_code(value: str, scheme: str) -> str:
    """A contrast agent of CID 12 (PS3.16), in SNOMED CT or its older style, in words."""
    # The package's dictionary takes a second to load.
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    # Former designators of SNOMED RT (PS3.16, 8.1).
    scheme = "SRT" if scheme in ("SNM3", "99SDM") else scheme
    code = Code(value, scheme, "") if value and scheme else None
    return next((str(agent.meaning) for agent in codes.cid12.concepts.values() if agent == code), "") if code else ""
