"""The simulator, and gateways that send everything to one of its protocols."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.server_process import Server

_ACCESS: Final = re.compile(r"AccessLog#\w+\] ([A-Z]+) (\S+) (\d+) ")
_HEALTH: Final = "/healthz"
#: Directives for the prompts of clients' own tests.
RULES: Final = Path(__file__).with_name("prompt_rules.toml")


def ask(address: str, method: str = "GET") -> Any:
    """Return the JSON at an address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address, method=method), timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None


class Simulator(Server):
    """The simulated upstreams."""

    def __init__(self, folder: Path) -> None:
        super().__init__(["antigravity-simulator", "--port", "0", "--rules", str(RULES)], folder)
        port = self.wait_for(r"Site starting on (\d+)")[1]
        self.address = f"http://127.0.0.1:{port}"

    def forget(self) -> None:
        """Forget what has arrived."""
        ask(f"{self.address}/_simulator/requests", "DELETE")

    def bodies(self) -> list[Any]:
        """Return the bodies of the requests that asked a model."""
        return self._bodies("POST")

    def messages(self) -> list[Any]:
        """Return the messages that arrived over WebSocket."""
        return self._bodies("MESSAGE")

    def _bodies(self, method: str) -> list[Any]:
        entries = ask(f"{self.address}/_simulator/requests")["requests"]
        return [entry["body"] for entry in entries if entry["method"] == method and entry["body"]]


@dataclass(frozen=True)
class Target:
    """An upstream protocol: its ``[upstreams.target]`` table, and the model that is asked.

    ``SIMULATOR`` in the table stands for the simulator's address.
    """

    model: str
    settings: str


TARGETS: Final = {
    "anthropic": Target("claude-sonnet-5", 'kind = "anthropic"\nquirks = ["message_threads"]'),
    "chat": Target("gpt-5", 'kind = "openai"\napis = ["chat"]'),
    "responses": Target("gpt-5", 'kind = "openai"\napis = ["responses", "images", "audio"]'),
    "gemini": Target("gemini-3-flash", 'kind = "gemini_api"'),
    "codeassist": Target(
        "gemini-3-flash",
        'kind = "codeassist"\nrefresh_token = "refresh"\n'
        'oauth = { client_id = "id", client_secret = "secret", token_url = "SIMULATOR/token" }',
    ),
}

#: And one that only some tests use: Codex's own model, over WebSocket.
EVERY_TARGET: Final = {
    **TARGETS,
    "websocket": Target(
        "gpt-5.5", 'kind = "openai"\napis = ["responses"]\nresponses_websocket = true'
    ),
}


@dataclass(frozen=True)
class Arrival:
    """A request that reached the gateway, and the status that it got."""

    method: str
    path: str
    status: int


class Gateway(Server):
    """A gateway that knows one upstream, and sends it every model that clients name.

    ``settings`` replace its configuration.
    """

    def __init__(
        self,
        folder: Path,
        target: Target,
        simulator: str,
        fallback: bool = False,
        more: str = "",
        *,
        settings: str | None = None,
    ) -> None:
        config = folder.with_name(folder.name + ".toml")
        if settings is None:
            settings = _configuration(target, simulator, fallback)
        config.write_text(settings + more)
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
