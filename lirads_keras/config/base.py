"""What all sections of the settings are made of: their base, numbers with bounds, and lists that name each thing once."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Seeds = Annotated[tuple[NonNegativeInt, ...], AfterValidator(lambda seeds: each_once("seeds", seeds))]


class Settings(BaseModel):
    """Base of all sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def digest(self) -> str:
        """12 hex digits that change when any setting of this section changes."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:12]


def each_once(what: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """These values, refused where there are none or one is there twice."""
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{what} needs one or more, each once, not {', '.join(map(str, values)) or 'none'}")
    return values


def known_once(names: tuple[str, ...], registry: Mapping[str, Any]) -> tuple[str, ...]:
    """These names of variants, refused where the registry of `variants.py` lacks one, too."""
    unknown = [name for name in each_once("variants", names) if name not in registry]
    if unknown:
        raise ValueError(f"variants are of {', '.join(registry)}, not {', '.join(unknown)}")
    return names
