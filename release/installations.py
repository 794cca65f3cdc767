"""Install the wheel as users do, from local files only, and see that the gateway works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release.artifacts import ROOT, ReleaseError, run

#: Seconds until the gateway must listen, and until it must have stopped.
START = 60.0
STOP = 30.0
MODEL = "gpt-5.1"
PROMPT = "[[say It works.]]"


def download(tools: Path, target: Path) -> None:
    """Download the locked versions, whose hashes pip checks: the only step that needs a network.

    ``pipx`` installs pip into an environment of its own, so pip's locked version comes too.
    """
    pip = (tools / "python", "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", target)
    run((*pip, *options, "--requirement", ROOT / "requirements" / "run.txt"), ROOT)
    locked = (ROOT / "requirements" / "release.txt").read_text("utf-8")
    entry = re.search(r"^pip==.*?(?<!\\)\n", locked, re.MULTILINE | re.DOTALL)
    if entry is None:
        raise ReleaseError("requirements/release.txt has no pip: make lock writes it anew.")
    only_pip = target / "pip.txt"
    only_pip.write_text(entry[0], "utf-8")
    run((*pip, *options, "--requirement", only_pip), ROOT)
    only_pip.unlink()


def install_with_pip(wheel: Path, wheels: Path, tools: Path, folder: Path) -> Path:
    """Install into a virtual environment; return the command ``antigravity``."""
    run((sys.executable, "-m", "venv", folder / "environment"), folder)
    python = folder / "environment" / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    locked = ("--require-hashes", "--requirement", ROOT / "requirements" / "run.txt")
    offline = ("install", "--quiet", "--no-index", "--find-links", wheels)
    run((*pip, *offline, *locked), folder)
    run((*pip, *offline, wheel), folder)
    run((*pip, "check"), folder)
    return python.with_name("antigravity")


def install_with_pipx(wheel: Path, wheels: Path, tools: Path, folder: Path) -> Path:
    """Install as an application of its own; return the command ``antigravity``."""
    options = f"--no-index --find-links={wheels} --constraint={_constraints(folder)}"
    homes = {"PIPX_HOME": str(folder / "pipx"), "PIPX_BIN_DIR": str(folder / "bin")}
    more = {"PIPX_MAN_DIR": str(folder / "man"), "PIP_NO_INDEX": "1"}
    run(
        (
            *(tools / "pipx", "install", "--backend", "pip", "--python", sys.executable),
            *("--pip-args", options, wheel),
        ),
        folder,
        {**homes, **more, "PIP_FIND_LINKS": str(wheels)},
    )
    return folder / "bin" / "antigravity"


def install_with_uv(wheel: Path, wheels: Path, tools: Path, folder: Path) -> Path:
    """Install as a tool; return the command ``antigravity``."""
    options = ("--offline", "--no-config", "--no-index", "--find-links", wheels)
    run(
        (
            *(tools / "uv", "tool", "install", "--python", sys.executable, *options),
            *("--constraints", _constraints(folder), wheel),
        ),
        folder,
        {
            "UV_TOOL_DIR": str(folder / "tools"),
            "UV_TOOL_BIN_DIR": str(folder / "bin"),
            "UV_CACHE_DIR": str(folder / "cache"),
        },
    )
    return folder / "bin" / "antigravity"


def _constraints(folder: Path) -> Path:
    """Write the locked versions without hashes, which do not fit a wheel that has none."""
    locked = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    target = folder / "constraints.txt"
    pins = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?(==[^\\\n]+)", locked, re.MULTILINE)
    target.write_text("".join(f"{name}{version.rstrip()}\n" for name, version in pins), "utf-8")
    return target


INSTALLERS: dict[str, Callable[[Path, Path, Path, Path], Path]] = {
    "pip": install_with_pip,
    "pipx": install_with_pipx,
    "uv": install_with_uv,
}


def check_command(command: Path, folder: Path, version: str) -> None:
    """Use an installed gateway: its version, one request to the demo, and the documentation.

    :raises ReleaseError: if one of them does not work.
    """
    home = {"ANTIGRAVITY_HOME": str(folder / "home")}
    (folder / "home").mkdir()
    shown = run((command, "version"), folder, home)
    if version not in shown.split():
        raise ReleaseError(f"{command} has another version than {version}: {shown}")
    with _serving(command, folder, home) as address:
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        request = urllib.request.Request(
            f"{address}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=START) as response:
            text = json.load(response)["choices"][0]["message"]["content"]
        if text != "It works.":
            raise ReleaseError(f"The demo responded {text!r}.")
    page = run((command, "docs", "--print"), folder, home).strip()
    if not Path(page.removeprefix("file://")).is_file():
        raise ReleaseError(f"The documentation is missing: {page}")


@contextmanager
def _serving(command: Path, folder: Path, home: dict[str, str]) -> Iterator[str]:
    """Run the demo while the block lasts; give its address.

    :raises ReleaseError: if it does not start, does not stop, or writes a traceback.
    """
    process = subprocess.Popen(
        [str(command), "serve", "--demo", "--port", "0"],
        cwd=folder,
        env={**os.environ, **home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + START
        while not (found := re.search(r"listening on (http://[\w.:]+)", "".join(lines))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ReleaseError(f"The gateway did not start:\n{''.join(lines)}")
            time.sleep(0.05)
        yield found[1]
        process.terminate()
        process.wait(STOP)
        reader.join(STOP)
        if "Traceback" in "".join(lines):
            raise ReleaseError(f"The gateway wrote a traceback:\n{''.join(lines)}")
    except subprocess.TimeoutExpired:
        raise ReleaseError(f"The gateway did not stop:\n{''.join(lines)}") from None
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def check_installations(wheel: Path, tools: Path) -> None:
    """Install a wheel with pip, pipx and uv, each in a folder of its own, and use it.

    :raises ReleaseError: if something fails.
    """
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="antigravity-release-") as name:
        wheels = Path(name, "wheels")
        wheels.mkdir()
        download(tools, wheels)
        for installer, install in INSTALLERS.items():
            folder = Path(name, installer)
            folder.mkdir()
            started = time.monotonic()
            check_command(install(wheel, wheels, tools, folder), folder, version)
            print(f"{installer}: installed, works ({time.monotonic() - started:.0f} s)", flush=True)
