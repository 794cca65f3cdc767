"""``antigravity plugins new``: a distribution that works, to begin a plugin with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from antigravity.plugins import DEFAULT_PLUGINS

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_PACKAGE: Final = "PACKAGE"
_SUFFIX: Final = ".in"


class SkeletonError(Exception):
    """No plugin of that name can be begun there; says why."""


def template_values(name: str) -> Mapping[str, str]:
    """Return what the templates call the parts of a plugin's name.

    :raises SkeletonError: if it is no name.
    """
    if not _NAME.fullmatch(name):
        raise SkeletonError(
            f"{name!r} is no name for a plugin: use lower-case letters, digits and single "
            "hyphens, as in my-plugin."
        )
    if name in DEFAULT_PLUGINS:
        raise SkeletonError(f"{name!r} is the name of a built-in plugin; take another one.")
    module = name.replace("-", "_")
    return {
        "name": name,
        "underline": "=" * len(f"antigravity-{name}"),
        "package": f"antigravity_{module}",
        "module": module,
        "camel": "".join(word.capitalize() for word in module.split("_")),
    }


def write_skeleton(name: str, folder: Path) -> list[Path]:
    """Write the distribution of a new plugin to ``folder``, and return the files.

    :raises SkeletonError: if the name is none, or the folder is not empty.
    :raises OSError: if it cannot be written to.
    """
    words = template_values(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SkeletonError(f"{folder} is there already, and not empty.")
    written: list[Path] = []
    _write(files("antigravity.cli") / "skeleton", folder, words, written)
    return written


def _write(
    source: Traversable, folder: Path, words: Mapping[str, str], written: list[Path]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _write(entry, folder / entry.name.replace(_PACKAGE, words["package"]), words, written)
        elif entry.name.endswith(_SUFFIX):
            file = folder / entry.name.removesuffix(_SUFFIX)
            file.write_text(Template(entry.read_text("utf-8")).substitute(words), "utf-8")
            written.append(file)
