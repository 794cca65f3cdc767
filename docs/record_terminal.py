"""Record the terminal session of ``docs/terminal.svg`` from real commands against a real demo.

Run it with ``python docs/record_terminal.py`` after a change of what the commands print.  Whatever
differs from run to run is replaced: ports, folders, times, durations and ids.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE: Final = Path(__file__).parent / "terminal.svg"
#: Columns of the terminal.
WIDTH: Final = 104
ADDRESS: Final = "http://127.0.0.1:8045"
#: The folder that stands for the temporary one.
_HOME: Final = "/home/you"
SERVE: Final = "antigravity serve --demo"
_CURL: Final = f"""\
curl {ADDRESS}/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{{"model": "gpt-5.1", "messages": [{{"role": "user", "content": "Hello!"}}]}}'"""
#: What is typed in another terminal while the demo runs.
COMMANDS: Final = (
    _CURL,
    "antigravity requests",
    "antigravity status",
    "antigravity connect claude-code --dry-run",
)
#: Lines of the log that are shown; the others are those of Twisted.
_SHOWN_LINES: Final = re.compile(r"\] (?:antigravity \d|DEMO|listening)")
_TIME: Final = "09:41:00"
_DAY: Final = "2026-01-31"
#: What differs from run to run, and what is shown instead, of the same length in tables.
_REPLACED: Final = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8045"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", f"{_DAY}T{_TIME}+0000"),
    (r"\b\d\d:\d\d:\d\d\b", _TIME),
    (r'"created": ?\d+', '"created":1769852460'),
    (r"\d\.\d\d s(?=\s)", "0.02 s"),
    (r"just now", "1 s ago "),
    (r"\(process \d+, up \d+ \w+\)", "(process 4711, up 5 s)"),
    (r"\d s ago", "1 s ago"),
    (r"(?<=chatcmpl-)\w+", "4f1c9a27e8b0d356"),
    (r"\d+\.\d MiB", "0.2 MiB"),
)
_ID: Final = "req_4f1c9a27e8b0d3564f1c9a27e8b0d356"
#: Colours that are easy to read on the background, which is the same on light and dark pages.
_THEME: Final = TerminalTheme(
    (27, 31, 36),
    (230, 237, 243),
    [
        (110, 118, 129),
        (255, 123, 114),
        (126, 231, 135),
        (242, 204, 96),
        (121, 192, 255),
        (210, 168, 255),
        (118, 227, 234),
        (230, 237, 243),
    ],
    [(158, 167, 179)] * 8,
)
#: The picture, without the fonts from elsewhere that Rich would name.
_FORMAT: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Step(NamedTuple):
    """A command, and what it printed, with the escape sequences of a terminal."""

    command: str
    output: str


def record() -> list[Step]:
    """Return the session, with whatever differs from run to run replaced."""
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as (log, environment):
        address = _address(log)
        steps = [Step(SERVE, "\n".join(filter(_SHOWN_LINES.search, log.read_text().splitlines())))]
        for command in COMMANDS:
            steps.append(Step(command, run(command.replace(ADDRESS, address), environment)))
            if command.startswith("curl "):
                request = _wait_for_row(environment)
        return [Step(each.command, settled(each.output, folder, request)) for each in steps]


def _wait_for_row(environment: dict[str, str]) -> str:
    """Return the id of the request, once the ledger has it."""
    deadline = time.monotonic() + 60
    while not (found := json.loads(run("antigravity requests --json", environment))):
        if time.monotonic() > deadline:
            raise TimeoutError("the ledger has no row")
        time.sleep(0.05)
    return str(found[0]["id"])


@contextmanager
def demo(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Run a demo in an empty home; give its log, and the environment of a user."""
    environment = {
        **{name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "COLUMNS": str(WIDTH),
        "NO_PROXY": "127.0.0.1",
        "ANTIGRAVITY_PROXY__PORT": "0",
    }
    log = folder / "log"
    with log.open("w") as output:
        gateway = subprocess.Popen(  # noqa: S603 - our own command
            SERVE.split(), env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield log, environment
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait(30)


def _address(log: Path) -> str:
    """Return where the demo listens, once it does."""
    deadline = time.monotonic() + 60
    while not (found := re.search(r"\] listening on (\S+)", log.read_text())):
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text())
        time.sleep(0.05)
    return found[1]


def run(command: str, environment: dict[str, str]) -> str:
    """Run a command of the shell in a terminal, and return what it prints.

    :raises ChildProcessError: if it fails.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    quiet = command.replace("curl ", "curl --silent ", 1)
    process = subprocess.Popen(  # noqa: S603 - our own command
        ("/bin/sh", "-c", quiet),
        env=environment,
        cwd=environment["HOME"],
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    output = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the last process has closed the terminal
            break
        if not piece:
            break
        output += piece
    os.close(ours)
    if process.wait():
        raise ChildProcessError(f"{command}: {output.decode()}")
    return output.decode().replace("\r\n", "\n").strip("\n")


def settled(text: str, folder: str, request: str) -> str:
    """Return output without what differs from run to run.

    :param request: the id of the request, which a table can break into lines.
    """
    text = text.replace(folder, _HOME)
    shown = _ID[: len(request)]
    while any(part := request[:end] for end in range(len(request), 3, -1) if request[:end] in text):
        text = text.replace(part, shown[: len(part)])
        request, shown = request[len(part) :], shown[len(part) :]
    for pattern, replacement in _REPLACED:
        text = re.sub(pattern, replacement, text)
    return text


def draw(steps: list[Step]) -> str:
    """Return the session as SVG."""
    console = Console(
        width=WIDTH, file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor",
        highlight=False, emoji=False, markup=False, legacy_windows=False,
    )  # fmt: skip
    for number, step in enumerate(steps):
        if number:
            console.print()
        console.print(Text.assemble(("$ ", "green"), (step.command, "bold")))
        console.print(Text.from_ansi(step.output))
    picture = console.export_svg(
        title="antigravity", theme=_THEME, code_format=_FORMAT, unique_id="session"
    )
    return "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"


def main() -> None:
    """Write the picture."""
    if shutil.which("curl") is None:
        raise SystemExit("curl is needed, which the session shows")
    PICTURE.write_text(draw(record()), "utf-8")


if __name__ == "__main__":
    main()
