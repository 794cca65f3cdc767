"""How to add to the environment of the gateway, which pip, pipx or uv has made."""

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
_RECEIPT: Final = "uv-receipt.toml"
_PYTHON: Final = Path("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def installation_command(environment: Path = Path(sys.prefix)) -> str:
    """Return the command that adds ``PLUGIN`` to a virtual environment.

    The files of pipx and uv in the environment say who has made it.
    """
    if _is_of_pipx(environment):
        return f"pipx inject {shlex.quote(environment.name)} {PLUGIN}"
    receipt = environment / _RECEIPT
    if receipt.is_file():
        return f"{_with_uv(_requirements(receipt))} --with {PLUGIN}"
    return f"{_pip(environment)} {PLUGIN}"


def extra_command(extra: str, environment: Path = Path(sys.prefix)) -> str:
    """Return the command that adds what an extra of the gateway needs, such as ``redis``."""
    if _is_of_pipx(environment):  # so that it is there, too, after pipx has upgraded the gateway
        needed = _needed_by(extra) or [f"{DISTRIBUTION}[{extra}]"]
        return shlex.join(["pipx", "inject", environment.name, *needed])
    receipt = environment / _RECEIPT
    if receipt.is_file():
        return _with_uv(_requirements(receipt), extra)
    return f"{_pip(environment)} {shlex.quote(f'{DISTRIBUTION}[{extra}]')}"


def _is_of_pipx(environment: Path) -> bool:
    return (environment / "pipx_metadata.json").is_file()


def _pip(environment: Path) -> str:
    return f"{shlex.quote(str(environment / _PYTHON))} -m pip install"


def _needed_by(extra: str) -> list[str]:
    """Return the requirements of an extra, without those of the gateway itself."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        found = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    parts = [each.partition(";") for each in found]
    marks = (f'extra == "{extra}"', f"extra == '{extra}'")
    return [name.strip() for name, _, marker in parts if marker.strip() in marks]


def _with_uv(requirements: list[Any], extra: str = "") -> str:
    """Return the command of uv, which replaces its environment: it names all that is in it."""
    gateway, others = _source({"name": DISTRIBUTION}, extra), []
    for each in requirements:
        if each.get("name") == DISTRIBUTION:
            gateway = _source(each, extra)
        else:
            others.append(_source(each))
    words = ["uv", "tool", "install", gateway]
    for other in others:
        words += ["--with", other]
    return shlex.join(words)


def _requirements(receipt: Path) -> list[Any]:
    try:
        found = tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _source(requirement: dict[str, Any], extra: str = "") -> str:
    """Return a requirement: a file, a folder, a repository or a name, with its extras.

    :param extra: another one, ``""`` for none.
    """
    found = requirement.get("extras")
    extras = [str(each) for each in found] if isinstance(found, list) else []
    if extra and extra not in extras:
        extras.append(extra)
    ending = f"[{','.join(extras)}]" if extras else ""
    for key in ("path", "directory", "editable", "url"):
        if isinstance(requirement.get(key), str):
            return f"{requirement[key]}{ending}"
    if isinstance(requirement.get("git"), str):
        name = f"{requirement.get('name', DISTRIBUTION)}{ending} @ " if extras else ""
        return f"{name}git+{requirement['git']}"
    return f"{requirement.get('name', '')}{ending}{requirement.get('specifier', '')}"
