"""Behaves like cloudflared, as the file ``script.json`` beside it says.

It writes how it was called to ``seen-N.json``, N being the number of the run, so that tests can
look.  The script is a list of plays, one for each run; the last one is for all that follow.  A
play is a list of steps: ``["say", LINE]``, ``["sleep", SECONDS]``, ``["exit", CODE]``,
``["stay"]``, ``["deaf"]`` (SIGTERM is ignored from here on).  ``{token}`` in a line is the token.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def number() -> int:
    """Return which run this is, from 0 on."""
    return len(list(FOLDER.glob("seen-*.json")))


def leave(signum: int, frame: object) -> None:
    """End as cloudflared does: politely."""
    say("2026-01-01T00:00:09Z INF Initiating graceful shutdown due to signal terminated ...")
    sys.exit(0)


def say(line: str) -> None:
    """Print a line where cloudflared does."""
    sys.stderr.write(line.replace("{token}", os.environ.get("TUNNEL_TOKEN", "")) + "\n")
    sys.stderr.flush()


def main() -> None:
    """Play."""
    signal.signal(signal.SIGTERM, leave)
    run = number()
    seen = {"pid": os.getpid(), "argv": sys.argv[1:], "environ": dict(os.environ)}
    temporary = FOLDER / f"{run}.tmp"
    temporary.write_text(json.dumps({**seen, "cwd": os.getcwd()}))
    temporary.replace(FOLDER / f"seen-{run}.json")
    plays = json.loads((FOLDER / "script.json").read_text())
    for what, *values in plays[min(run, len(plays) - 1)]:
        if what == "say":
            say(values[0])
        elif what == "sleep":
            time.sleep(values[0])
        elif what == "exit":
            sys.exit(values[0])
        elif what == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            while True:
                signal.pause()


main()
