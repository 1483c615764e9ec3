"""What a file says of the meaning of its stored grey values, beside their rescaling."""
from __future__ import annotations

from lirads_keras.io.dicom_elements import Elements, Unusable


def read_padding(elements: Elements) -> tuple[int, int] | None:
    """The stored values, from the first to the last, of pixels that are no part of the image (PixelPaddingValue, PixelPaddingRangeLimit:
    PS3.3 C.7.5.1.1.2); None where the file names none.

    Raises:
        Unusable: an attribute that is no number.
    """
    limits = [value for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit") if (value := _read_stored_value(elements, keyword)) is not None]
    # A limit without a value is none.
    return (min(limits), max(limits)) if elements.raw("PixelPaddingValue") else None


def is_inverted(elements: Elements, modality: str) -> bool:
    """Whether low values stand for what is bright (MONOCHROME1: PS3.3 C.7.6.3.1.2). HU are HU, however a CT is displayed."""
    return elements.ascii("PhotometricInterpretation").upper() == "MONOCHROME1" and modality != "CT"


def _read_stored_value(elements: Elements, keyword: str) -> int | None:
    """A value as PixelData holds it, whatever its VR says (US or SS); one that does not fit into BitsStored loses the bits that pixels lose, too."""
    content = elements.raw(keyword)
    if not content:
        return None
    if len(content) not in (2, 4):
        raise Unusable(f"one number for {keyword}", f"{len(content)} bytes")
    bits = elements.unsigned("BitsStored", 0) or elements.unsigned("BitsAllocated", 16)
    signed = elements.unsigned("PixelRepresentation", 0) == 1
    value = int.from_bytes(content, "little" if elements.little_endian else "big", signed=signed) % (1 << bits)
    return value - (1 << bits) if signed and value >> (bits - 1) else value
