"""Gateways with workers in real processes, and clients that keep their connections."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.conditions import wait_until
from tests.support.gateway_process import Running, running
from tests.support.server_process import Server

ADMIN_KEY = "sk-admin-0123456789abcdef"
CLIENT_KEY = "sk-client-0123456789abcdef"
_SETTINGS = """
[proxy]
listen = ["tcp:0:interface=127.0.0.1"]
auth_mode = "{mode}"
api_key = "{client_key}"
admin_key = "{key}"
shutdown_grace = 20
[upstreams.sim]
kind = "openai"
base_url = "{upstream}/v1"
api_key = "k"
models = ["gpt-*"]
[prices.models."gpt-*"]
input = 0.0
output = 1000.0
[metrics]
enabled = true
{more}
"""


@contextmanager
def simulator(folder: Path) -> Iterator[str]:
    """Run a simulator in a process of its own; yield its address."""
    server = Server(["antigravity-simulator", "--port", "0"], folder)
    try:
        port = server.wait_for(r"starting on (\d+)")[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


class Gateway:
    """A gateway with workers."""

    def __init__(self, server: Running, home: Path) -> None:
        self.server = server
        self.home = home
        self.address = server.address()

    @property
    def pid(self) -> int:
        """The main process."""
        return self.server.process.pid

    def ask(self, path: str, method: str = "GET", body: Any = None, key: str = ADMIN_KEY) -> Any:
        """Return the JSON of a response; a status from 400 on raises an ``HTTPError``."""
        return json.loads(self.text(path, method, body, key))

    def text(self, path: str, method: str = "GET", body: Any = None, key: str = ADMIN_KEY) -> str:
        """Return the text of a response, by default to the operator."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            raise

    def workers(self) -> list[dict[str, Any]]:
        """Return the state of all workers."""
        found: list[dict[str, Any]] = self.ask("/admin/status")["workers"]
        return found

    def serving(self) -> dict[int, int]:
        """Return the process of each worker that serves, by its number."""
        return {
            each["number"]: each["pid"] for each in self.workers() if each["state"] == "serving"
        }

    def payloads(self, request: str) -> Any:
        """Return what was kept of the bodies of a request, ``None`` if there is nothing."""
        try:
            return self.ask(f"/admin/requests/{request}/payloads")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def client(self, key: str = CLIENT_KEY) -> Client:
        """Return a client with a connection of its own."""
        return Client(self.address, key)

    def write_settings(self, old: str, new: str) -> None:
        """Change the configuration file."""
        path = self.home / "antigravity.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@contextmanager
def gateway(
    folder: Path, upstream: str, *options: str, mode: str = "all_except_health", more: str = ""
) -> Iterator[Gateway]:
    """Run a gateway with two workers, or other options, while the block lasts."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    text = _SETTINGS.format(
        upstream=upstream, key=ADMIN_KEY, client_key=CLIENT_KEY, mode=mode, more=more
    )
    (home / "antigravity.toml").write_text(text)
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [twistd, "-n", "--pidfile=", "antigravity", *(options or ("--workers", "2"))]
    with running(command, home, folder) as server:
        server.wait_for_log(r"(worker 1 \(process \d+\) serves)", 120)
        server.wait_for_log(r"(worker 2 \(process \d+\) serves)", 120)
        try:
            yield Gateway(server, home)
        finally:
            if server.process.poll() is None:
                server.stop()


class Client:
    """A client that keeps its connection, and sends nothing twice."""

    def __init__(self, address: str, key: str) -> None:
        parts = urlsplit(address)
        self._place = parts.hostname or "", parts.port or 0
        self._key = key
        self._connection = http.client.HTTPConnection(*self._place, timeout=60)

    def post(self, prompt: str, **more: Any) -> tuple[int, Any]:
        """Send a request to be translated; return status and JSON of the response."""
        body = {
            "model": "gpt-5.1",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": prompt}],
            **more,
        }
        headers = {"x-api-key": self._key, "anthropic-version": "2023-06-01"}
        headers["Content-Type"] = "application/json"
        self._connection.request("POST", "/v1/messages", json.dumps(body), headers)
        response = self._connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if response.status != 200 or not more.get(
            "stream"
        ) else data

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()


class Posts:
    """Requests at the same time, each over a connection of its own."""

    def __init__(self, gateway: Gateway, count: int, prompt: str, key: str = "", **more: Any):
        self.results: list[tuple[int, Any]] = []
        self._lock = threading.Lock()
        start = threading.Barrier(count)

        def post() -> None:
            client = gateway.client(key or CLIENT_KEY)
            start.wait(60)
            try:
                found = client.post(prompt, **more)
            finally:
                client.close()
            with self._lock:
                self.results.append(found)

        self._threads = [threading.Thread(target=post) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def join(self) -> list[tuple[int, Any]]:
        """Return all responses, once they are complete."""
        for thread in self._threads:
            thread.join(60)
        return self.results


def post_in_turn(clients: list[Client], prompt: str = "hello") -> list[int]:
    """Return the statuses of responses to clients, one after the other."""
    return [client.post(prompt)[0] for client in clients]


@contextmanager
def many_clients(gateway: Gateway, count: int, key: str = CLIENT_KEY) -> Iterator[list[Client]]:
    """Yield clients, each with a connection of its own."""
    clients = [gateway.client(key) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


@dataclass
class Load:
    """Clients that send requests one after the other, until they are stopped."""

    responses: int = 0
    statuses: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(gateway: Gateway, clients: int = 6, prompt: str = "hello") -> Iterator[Load]:
    """Run clients while the block lasts, and some moments longer."""
    result, stop, lock = Load(), threading.Event(), threading.Lock()

    def run() -> None:
        client = gateway.client()
        while not stop.is_set():
            try:
                status, _ = client.post(prompt)
            except (OSError, http.client.HTTPException) as error:
                with lock:
                    result.failures.append(repr(error))
                client.close()
                time.sleep(0.02)
                continue
            with lock:
                result.responses += 1
                if status != 200:
                    result.statuses.append(status)
            time.sleep(0.02)
        client.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: result.responses >= clients)
        yield result
        target = result.responses + 2 * clients
        wait_until(lambda: result.responses >= target)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
