"""The simulator, and gateways that send everything to one of its protocols."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.clients.programs import kill_group

_ACCESS: Final = re.compile(r"AccessLog#info\] ([A-Z]+) (\S+) (\d+) ")
_HEALTH: Final = "/healthz"


class Server:
    """A ``twistd`` service in a process of its own, with its log in a file."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True)
        self._log = folder / "server.log"
        twistd = Path(sys.executable).with_name("twistd")
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(
                [str(twistd), "-n", "--pidfile=", *arguments],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Return what matches in the log, once it does."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.log)):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return match

    def stop(self) -> None:
        """Stop it, by force if it takes its time."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            kill_group(self._process)


def ask(address: str, method: str = "GET") -> Any:
    """Return the JSON at an address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address, method=method), timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None


class Simulator(Server):
    """The simulated upstreams."""

    def __init__(self, folder: Path) -> None:
        super().__init__(["antigravity-simulator", "--port", "0"], folder)
        port = self.wait_for(r"Site starting on (\d+)")[1]
        self.address = f"http://127.0.0.1:{port}"

    def forget(self) -> None:
        """Forget what has arrived."""
        ask(f"{self.address}/_simulator/requests", "DELETE")

    def bodies(self) -> list[Any]:
        """Return the bodies of the requests that asked a model."""
        entries = ask(f"{self.address}/_simulator/requests")["requests"]
        return [entry["body"] for entry in entries if entry["method"] == "POST" and entry["body"]]


@dataclass(frozen=True)
class Target:
    """An upstream protocol: its ``[upstreams.target]`` table, and the model that is asked.

    ``SIMULATOR`` in the table stands for the simulator's address.
    """

    model: str
    settings: str


TARGETS: Final = {
    "anthropic": Target("claude-sonnet-5", 'kind = "anthropic"'),
    "chat": Target("gpt-5", 'kind = "openai"\napis = ["chat"]'),
    "responses": Target("gpt-5", 'kind = "openai"\napis = ["responses"]'),
    "gemini": Target("gemini-3-flash", 'kind = "gemini_api"'),
    "codeassist": Target(
        "gemini-3-flash",
        'kind = "codeassist"\nrefresh_token = "refresh"\n'
        'oauth = { client_id = "id", client_secret = "secret", token_url = "SIMULATOR/token" }',
    ),
}


@dataclass(frozen=True)
class Arrival:
    """A request that reached the gateway, and the status that it got."""

    method: str
    path: str
    status: int


class Gateway(Server):
    """A gateway that knows one upstream, and sends it every model that clients name."""

    def __init__(
        self, folder: Path, target: Target, simulator: str, fallback: bool, more: str = ""
    ) -> None:
        config = folder.with_name(folder.name + ".toml")
        config.write_text(_configuration(target, simulator, fallback) + more)
        arguments = ("--port", "0", "--home", str(folder / "home"), "--config", str(config))
        super().__init__(["antigravity", *arguments], folder)
        self.address = self.wait_for(r"listening on (http://[\d.:]+)")[1]
        self._seen = 0

    def arrivals(self) -> list[Arrival]:
        """Return what has arrived since the last time."""
        ask(self.address + _HEALTH)
        deadline = time.monotonic() + 10
        while True:
            lines = [Arrival(m, path, int(code)) for m, path, code in _ACCESS.findall(self.log)]
            fresh = lines[self._seen :]
            if fresh and fresh[-1].path == _HEALTH:
                self._seen = len(lines)
                return fresh[:-1]
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)


def _configuration(target: Target, simulator: str, fallback: bool) -> str:
    """Return a configuration that sends all names, or just the unknown ones, to the target."""
    key = "" if "refresh_token" in target.settings else 'api_key = "sk-upstream"\n'
    model = json.dumps(f"target/{target.model}")
    route = f"[routing]\nfallback_model = {model}\n"
    if not fallback:
        route = f'[proxy]\ncustom_mapping = {{ "*" = {model} }}\n'
    settings = target.settings.replace("SIMULATOR", simulator)
    return f'{route}[upstreams.target]\n{settings}\nbase_url = "{simulator}"\n{key}'
