"""Count the code that one request runs: ``python -m bench.trace``, in the folder of the source.

For each kind of request: calls of the gateway's own functions, the files that they are in, moves
from one file to another, and Deferreds.  The figures do not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.load import Load, Result, run
from bench.programs import SOURCE, Program, gateway, upstream
from bench.requests import RequestSpec

_COUNTS = ("calls", "files", "moves", "deferreds")
_LAUNCHER = "tracing_twistd.py"
_TIMEOUT = 5.0
#: Seconds in which requests are sent one after the other; the counts are averages.
_SECONDS = 0.3

KINDS: Final = {
    "whole, passed through": RequestSpec("openai", "openai"),
    "whole, Anthropic to Gemini": RequestSpec("anthropic", "gemini", pieces=1),
    "64 events, passed through": RequestSpec("openai", "openai", stream=True),
    "64 events, Anthropic to Gemini": RequestSpec("anthropic", "gemini", stream=True),
    "whole, passed through, several accounts": RequestSpec("openai", "pooled"),
}


def _load(program: Program, spec: RequestSpec) -> Result:
    return run(program.port, Load(spec, seconds=_SECONDS)).check()


def _trace(program: Program, spec: RequestSpec, file: Path) -> dict[str, Any]:
    """Return the average counts of a request, after some requests that fill the caches."""
    _load(program, spec)
    file.unlink(missing_ok=True)
    program.start_trace()
    result = _load(program, spec)
    program.stop_trace()
    until = time.monotonic() + _TIMEOUT
    while not file.exists():
        if time.monotonic() > until:
            raise RuntimeError(f"the gateway wrote no counts within {_TIMEOUT:g} s")
        time.sleep(0.01)
    counts: dict[str, Any] = json.loads(file.read_text())
    for name in ("calls", "moves", "deferreds"):
        counts[name] = round(counts[name] / result.responses)
    return counts


def print_traces(sources: dict[str, Path], *, files: bool = False) -> None:
    """Print the counts of each kind of request, for the gateways in the folders ``sources``."""
    print(f"{'one request':<42}" + "".join(f"{name:>12}" for name in _COUNTS))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = f"http://127.0.0.1:{stack.enter_context(upstream(folder)).port}"
        for name, source in sources.items():
            file = folder / f"{name}.json"
            program = stack.enter_context(gateway(name, source, folder, address, file, _LAUNCHER))
            program.wait_listening()
            for title, spec in KINDS.items():
                counts = _trace(program, spec, file)
                cells = [len(counts["files"]) if n == "files" else counts[n] for n in _COUNTS]
                label = title if len(sources) == 1 else f"{name}: {title}"
                print(f"{label:<42}" + "".join(f"{cell:>12,}" for cell in cells), flush=True)
                if files:
                    print(*counts["files"], sep="\n")


def main() -> None:
    """Count each kind of request, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.trace", description=__doc__)
    parser.add_argument("--files", action="store_true", help="also print the files")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="also count in the checkout in FOLDER",
    )
    arguments = parser.parse_args()
    sources = {
        name: Path(folder).resolve()
        for name, folder in (entry.split("=", 1) for entry in arguments.also)
    }
    print_traces(sources | {"gateway": SOURCE}, files=arguments.files)


if __name__ == "__main__":
    main()
