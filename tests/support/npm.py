"""Find the clients on this machine, or install them with npm into a folder of the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / ".clients"
OLDEST_NODE: Final = 22
NODE: Final = "node@26.10.0"
PACKAGES: Final = {
    "claude": "@anthropic-ai/claude-code@2.1.332",
    "codex": "@openai/codex@0.171.0",
    "gemini": "@google/gemini-cli@0.61.0",
    "opencode": "opencode-ai@1.18.33",
    "cline": "cline@3.0.65",
    "cn": "@continuedev/cli@1.5.47",
    "pi": "@earendil-works/pi-coding-agent@1.6.0",
    "qwen": "@qwen-code/qwen-code@0.24.4",
}


class UnavailableError(Exception):
    """A client is neither here nor can it be installed; the text says why."""


def search_path() -> str:
    """Return where programs are looked for: what is installed here comes last.

    But for Node, which comes first if it was too old and therefore installed.
    """
    installed = str(CACHE / "node_modules" / ".bin")
    return os.pathsep.join([str(CACHE / "node"), os.environ.get("PATH", ""), installed])


@cache
def find_client(name: str) -> str:
    """Return the program of a client, after installing it if it is not there.

    One that is not from this checkout's own folder may have any version.

    :raises UnavailableError: if that is not possible.
    """
    found = shutil.which(name, path=search_path())
    if found is None or (_is_own(found) and not _has_version(PACKAGES[name])):
        ensure_node()
        _install(PACKAGES[name])
        found = shutil.which(name, path=search_path())
    else:
        ensure_node()
    if found is None:
        raise UnavailableError(f"{PACKAGES[name]} was installed, but has no program {name!r}")
    return found


def _is_own(program: str) -> bool:
    return Path(program).is_relative_to(CACHE)


def _has_version(package: str) -> bool:
    """Return whether a package is installed in the version that its name ends with."""
    name, _, version = package.rpartition("@")
    description = CACHE / "node_modules" / name / "package.json"
    return description.exists() and json.loads(description.read_text())["version"] == version


@cache
def ensure_node() -> None:
    """Install Node if there is none that is new enough.

    :raises UnavailableError: if that is not possible.
    """
    if _node_version(shutil.which("node", path=search_path())) >= OLDEST_NODE:
        return
    _install(NODE)
    program = CACHE / "node_modules" / "node" / "bin" / "node"
    if _node_version(str(program)) < OLDEST_NODE:
        raise UnavailableError(f"{NODE} was installed, but {program} does not run")
    alone = CACHE / "node"
    alone.mkdir(exist_ok=True)
    link = alone / "node"
    link.unlink(missing_ok=True)
    link.symlink_to(program)


def _node_version(program: str | None) -> int:
    """Return the major version, 0 if there is none."""
    if program is None:
        return 0
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except OSError:
        return 0
    match = re.match(r"v(\d+)", said.stdout)
    return int(match[1]) if match else 0


def install_locked(source: Path) -> tuple[str, Path]:
    """Install the packages that a folder's ``package-lock.json`` lists.

    Return the program of Node, and the folder with ``node_modules``.

    :raises UnavailableError: if that is not possible.
    """
    ensure_node()
    node = shutil.which("node", path=search_path())
    assert node is not None
    folder = CACHE / source.name
    wanted = [(source / name).read_bytes() for name in ("package.json", "package-lock.json")]
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_bytes() != b"".join(wanted):
        folder.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        for name, content in zip(("package.json", "package-lock.json"), wanted, strict=True):
            (folder / name).write_bytes(content)
        _npm(f"the packages of {source.name}/package-lock.json", folder, "ci")
        stamp.write_bytes(b"".join(wanted))
    return node, folder


def _install(package: str) -> None:
    CACHE.mkdir(exist_ok=True)
    _npm(package, CACHE, "install", "--save-exact", package)


def _npm(package: str, folder: Path, command: str, *arguments: str) -> None:
    """Run npm for a folder.

    :raises UnavailableError: if that fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError(f"{package} is not installed, and there is no npm to install it")
    options = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    try:
        done = subprocess.run(
            [npm, command, *options, "--prefix", str(folder), *arguments],
            cwd=folder,
            env={**os.environ, "PATH": search_path()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"npm did not install {package} within {error.timeout:.0f} s"
        ) from error
    if done.returncode:
        raise UnavailableError(f"npm cannot install {package}: {done.stderr.strip()[-400:]}")
