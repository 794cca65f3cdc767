"""twistd that writes counts of its own resources to the file that ``BENCH_COUNTS`` names."""

from __future__ import annotations

import gc
import json
import os
import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import LoopingCall
from twisted.scripts.twistd import run

_INTERVAL = 5.0
_reactor: Any = installed


def _count(file: Path) -> None:
    """Write the numbers of timers, sockets, threads, and objects of the garbage collector."""
    counts = {
        "timers": len(_reactor.getDelayedCalls()),
        "sockets": len(_reactor.getReaders()) + len(_reactor.getWriters()),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }
    new = file.with_suffix(".new")
    new.write_text(json.dumps(counts))
    new.replace(file)


def main() -> None:
    """Run twistd."""
    counting = LoopingCall(_count, Path(os.environ["BENCH_COUNTS"]))
    _reactor.callWhenRunning(counting.start, _INTERVAL)
    run()


if __name__ == "__main__":
    main()
