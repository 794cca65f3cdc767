"""Helpers for tests of commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from antigravity.config.running_gateway import find_running_gateway
from antigravity.simulator.service import Simulator


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Simulated(NamedTuple):
    """A simulator that runs, and where."""

    address: str
    simulator: Simulator

    def table(self, **oauth: str) -> str:
        """Return the table of an upstream that is it."""
        keys = {
            "client_id": "client",
            "client_secret": "Veiled-secret",
            "token_url": f"{self.address}/token",
            "auth_url": f"{self.address}/o/oauth2/v2/auth",
            "userinfo_url": f"{self.address}/oauth2/v2/userinfo",
            **oauth,
        }
        lines = [f'{key} = "{value}"' for key, value in keys.items()]
        return "\n".join(
            [
                "[upstreams.codeassist]",
                'kind = "codeassist"',
                f'base_url = "{self.address}"',
                "[upstreams.codeassist.oauth]",
                *lines,
                "",
            ]
        )


Run = Callable[..., Result]


def configure(tmp_path: Path, text: str) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    file = home / "antigravity.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def wait_for_record(home: Path) -> None:
    """Wait until a gateway that listens has said so in its home."""
    deadline = time.monotonic() + 20
    while find_running_gateway(home) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Point:
    """An entry point, as far as the loader looks at it."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name = name
        self._plugin = plugin

    def load(self) -> Any:
        if isinstance(self._plugin, Exception):
            raise self._plugin
        return self._plugin
