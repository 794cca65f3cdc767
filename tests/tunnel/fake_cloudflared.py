"""A stand-in for cloudflared, and its usual lines."""

from __future__ import annotations

import base64
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("fake_cloudflared_program.py")

Play = Sequence[Sequence[object]]

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
TOKEN = base64.b64encode(json.dumps({"a": "account", "t": "id", "s": SECRET}).encode()).decode()

BOX = "2026-01-01T00:00:02Z INF +-----------------------------------------+"
REQUESTING = "2026-01-01T00:00:01Z INF Requesting new quick Tunnel on trycloudflare.com..."
REGISTERED = (
    "2026-01-01T00:00:03Z INF Registered tunnel connection connIndex=0 "
    "connection=2a80065c-e07d-4c0d-b94b-6c394f4d2782 event=0 ip=198.51.100.7 location=fra01"
)
BAD_TOKEN = "Provided Tunnel token is not valid."
HELP = "See 'cloudflared tunnel run --help'."


def box(name: str) -> str:
    """Return the line that tells a quick tunnel's address."""
    return f"2026-01-01T00:00:02Z INF |  https://{name}.trycloudflare.com                   |"


def configured(*origins: tuple[str, str]) -> str:
    """Return the line that tells where names of a tunnel lead."""
    ingress: list[dict[str, object]] = [
        {"hostname": host, "service": service, "originRequest": {}} for host, service in origins
    ]
    ingress.append({"service": "http_status:404"})
    text = json.dumps(json.dumps({"ingress": ingress, "warp-routing": {"enabled": False}}))
    return f"2026-01-01T00:00:04Z INF Updated to new configuration config={text} version=3"


def quick(name: str, *more: Sequence[object]) -> list[Sequence[object]]:
    """Return the play of a quick tunnel that is up."""
    lines = [REQUESTING, BOX, box(name), BOX, REGISTERED]
    return [*(["say", line] for line in lines), *more]


class FakeCloudflared:
    """A program in ``folder`` that plays ``plays``, one for each run."""

    def __init__(self, folder: Path, *plays: Play) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.path = folder / "cloudflared"
        shutil.copy(PROGRAM, folder / "stand_in.py")
        self.path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/stand_in.py" "$@"\n')
        self.path.chmod(0o755)
        self.play(*plays)

    def play(self, *plays: Play) -> None:
        """Play something else from the next run on."""
        (self.folder / "script.json").write_text(json.dumps(plays))

    def seen(self, run: int = 0) -> Any:
        """Return how a run was called, ``None`` if there was none yet."""
        path = self.folder / f"seen-{run}.json"
        return json.loads(path.read_text()) if path.exists() else None
