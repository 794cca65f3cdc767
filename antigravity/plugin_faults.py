"""What is wrong with a plugin, in words that lead its author to the place."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from antigravity import hookspecs

_OURS: Final = Path(__file__).parent
_STANDARD: Final = Path(sysconfig.get_path("stdlib"))
_SITES: Final = frozenset(("site-packages", "dist-packages"))
HOOKS: Final = tuple(
    name for name, thing in vars(hookspecs).items() if hasattr(thing, f"{hookspecs.GROUP}_spec")
)


def described(error: BaseException) -> str:
    """Return what an exception says, and the place in the plugin where it came from."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _theirs(frame)]
    if not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _theirs(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is neither ours nor the standard library's."""
    if frame.filename.startswith("<"):
        return False
    file = Path(frame.filename)
    if file.is_relative_to(_OURS):
        return False
    return not file.is_relative_to(_STANDARD) or not _SITES.isdisjoint(file.parts)


def misspelt_hooks(plugin: object) -> Iterator[str]:
    """Return what is said of marked functions whose names are no hooks."""
    for name in dir(plugin):
        if name not in HOOKS and hasattr(_attribute(plugin, name), f"{hookspecs.GROUP}_impl"):
            near = get_close_matches(name, HOOKS, 1)
            yield f"there is no hook {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def unmarked_hooks(plugin: object) -> Iterator[str]:
    """Return what is said of functions that are hooks by their names alone."""
    for name in HOOKS:
        function = _attribute(plugin, name)
        if callable(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            yield f"{name} is not marked with hookimpl, so it is never called"


def _attribute(plugin: object, name: str) -> object:
    """Return an attribute, ``None`` where looking at it fails: it is no function then."""
    try:
        return getattr(plugin, name, None)
    except Exception:  # noqa: BLE001 - a property of a plugin may raise anything
        return None
