"""What tests of the stages change, and which stages that reaches."""
from __future__ import annotations

from stages import STAGES

from lirads_keras.config.profile import Profile


def with_setting(profile: Profile, dotted: str, value) -> Profile:
    """The profile with one setting, `section.name`, changed."""
    name, _, rest = dotted.partition(".")
    return profile.model_copy(update={name: with_setting(getattr(profile, name), rest, value) if rest else value})


def after(*first: str) -> set[str]:
    """The stages named and all that need them."""
    found: set[str] = set()
    for name, stage in STAGES.items():
        if name in first or found & set(stage.needs):
            found.add(name)
    return found


def changed(before: dict[str, str], now: dict[str, str]) -> set[str]:
    """The stages whose digests differ."""
    assert before.keys() == now.keys() == STAGES.keys()
    return {name for name in STAGES if before[name] != now[name]}
