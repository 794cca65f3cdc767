"""How to install another plugin where the gateway is installed: with pip, with pipx or with uv."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

#: The name of the gateway's distribution.
DISTRIBUTION: Final = "antigravity-gateway"
#: Stands for what is to be installed: a name, a file or a folder.
PLUGIN: Final = "PLUGIN"
_PYTHON: Final = Path("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def installation_command(environment: Path = Path(sys.prefix)) -> str:
    """Return the command that adds ``PLUGIN`` to a virtual environment.

    The files of pipx and uv in the environment say who has made it.
    """
    if (environment / "pipx_metadata.json").is_file():
        return f"pipx inject {shlex.quote(environment.name)} {PLUGIN}"
    receipt = environment / "uv-receipt.toml"
    if receipt.is_file():
        return _with_uv(_requirements(receipt))
    return f"{shlex.quote(str(environment / _PYTHON))} -m pip install {PLUGIN}"


def _with_uv(requirements: list[Any]) -> str:
    """Return the command of uv, which replaces its environment: it names all that is in it."""
    gateway, others = DISTRIBUTION, []
    for each in requirements:
        if each.get("name") == DISTRIBUTION:
            gateway = _source(each)
        else:
            others.append(_source(each))
    words = ["uv", "tool", "install", gateway]
    for other in others:
        words += ["--with", other]
    return f"{shlex.join(words)} --with {PLUGIN}"


def _requirements(receipt: Path) -> list[Any]:
    try:
        found = tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _source(requirement: dict[str, Any]) -> str:
    """Return a requirement: a file, a folder, a repository or a name, with its extras."""
    extras = requirement.get("extras")
    extra = f"[{','.join(map(str, extras))}]" if isinstance(extras, list) and extras else ""
    for key in ("path", "directory", "editable", "url"):
        if isinstance(requirement.get(key), str):
            return f"{requirement[key]}{extra}"
    if isinstance(requirement.get("git"), str):
        return f"git+{requirement['git']}"
    return f"{requirement.get('name', '')}{extra}{requirement.get('specifier', '')}"
