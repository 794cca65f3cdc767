"""``antigravity plugins new``: the skeleton of a plugin's distribution."""

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
    """The skeleton of a plugin cannot be created."""


def template_values(name: str) -> Mapping[str, str]:
    """Return the values of the templates for a plugin's name.

    :raises SkeletonError: if the name is not valid.
    """
    if not _NAME.fullmatch(name):
        raise SkeletonError(
            f"{name!r} is not a valid name for a plugin: use lower-case letters, digits and single "
            "hyphens, as in my-plugin."
        )
    if name in DEFAULT_PLUGINS:
        raise SkeletonError(f"{name!r} is the name of a built-in plugin; choose another one.")
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

    :raises SkeletonError: if the name is not valid, or the folder is not empty.
    :raises OSError: if a file cannot be written.
    """
    values = template_values(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SkeletonError(f"{folder} already exists and is not empty.")
    written: list[Path] = []
    _write(files("antigravity.cli") / "skeleton", folder, values, written)
    return written


def _write(
    source: Traversable, folder: Path, values: Mapping[str, str], written: list[Path]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _write(entry, folder / entry.name.replace(_PACKAGE, values["package"]), values, written)
        elif entry.name.endswith(_SUFFIX):
            file = folder / entry.name.removesuffix(_SUFFIX)
            file.write_text(Template(entry.read_text("utf-8")).substitute(values), "utf-8")
            written.append(file)
