"""twistd with a profile hook that counts the code of the gateway that runs.

SIGUSR1 starts counting; SIGUSR2 stops it, and writes the counts to the file that
``BENCH_COUNTS`` names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.scripts.twistd import run

_PACKAGE = f"{os.environ['PYTHONPATH']}/antigravity/"


class Trace:
    """A counter of calls in the package, their files, moves between files, and all Deferreds.

    A move is a call in another file than that of the call before it.
    """

    def __init__(self) -> None:
        self.calls = self.moves = self.deferreds = 0
        self.files: set[str] = set()
        self._last = ""
        self._deferred: CodeType = Deferred.__init__.__code__

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Count one event; see :func:`sys.setprofile`."""
        if event != "call":
            return
        code = frame.f_code
        name = code.co_filename
        if name.startswith(_PACKAGE):
            self.calls += 1
            if name != self._last:
                self.moves += 1
                self._last = name
                self.files.add(name)
        elif code is self._deferred:
            self.deferreds += 1

    def write(self, file: Path) -> None:
        """Write the counts, and the names of the files in order."""
        files = sorted(name.removeprefix(_PACKAGE) for name in self.files)
        counts = {
            "calls": self.calls,
            "moves": self.moves,
            "deferreds": self.deferreds,
            "files": files,
        }
        new = file.with_suffix(".new")
        new.write_text(json.dumps(counts))
        new.replace(file)


def main() -> None:
    """Run twistd."""
    file = Path(os.environ["BENCH_COUNTS"])
    trace = Trace()

    def start(*_: object) -> None:
        nonlocal trace
        trace = Trace()
        sys.setprofile(trace.profile)

    def stop(*_: object) -> None:
        sys.setprofile(None)
        trace.write(file)

    signal.signal(signal.SIGUSR1, start)
    signal.signal(signal.SIGUSR2, stop)
    run()


if __name__ == "__main__":
    main()
