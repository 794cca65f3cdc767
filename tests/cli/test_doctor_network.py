"""``antigravity doctor`` asks the addresses of upstreams, and repairs what is safe."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import time
from typing import Any

import pytest

from antigravity.cli import doctor_network, doctor_repairs
from antigravity.cli.doctor_network import network_findings, path_problem
from antigravity.cli.doctor_repairs import disk_finding
from antigravity.config.running_gateway import RunningGateway, record_path
from antigravity.config.settings import Settings, UpstreamSettings
from tests.cli.builders import Run


class Server:
    """A server in a thread that answers everything alike."""

    def __init__(self) -> None:
        self.status, self.kind, self.ahead = 401, "application/json", 0.0
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                self.send_response_only(outer.status)
                self.send_header("Date", formatdate(time() + outer.ahead, usegmt=True))
                self.send_header("Content-Type", outer.kind)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_CONNECT(self) -> None:
                self.send_error(407)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def findings(address: str, proxy: str = "", **variables: str) -> dict[str, tuple[str, str, str]]:
    upstream = UpstreamSettings("openai", base_url=address, http_proxy=proxy)
    found = network_findings(Settings(upstreams={"far": upstream}), ["far"], variables)
    return {each.name: (each.status, each.detail, each.remedy) for each in found}


def test_address_that_demands_a_key_is_fine(server: Server) -> None:
    found = findings(f"{server.address}/v1")
    assert found["address"][0] == "ok"
    assert found["clock"][0] == "ok"
    ((path, headers),) = server.asked
    assert path == "/v1/models"
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & {each.lower() for each in headers}


def test_web_page_is_not_an_api(server: Server) -> None:
    server.status, server.kind = 200, "text/html; charset=utf-8"
    status, detail, remedy = findings(server.address)["address"]
    assert (status, "web page" in detail) == ("warning", True)
    assert "upstreams.far.base_url" in remedy


def test_missing_web_page_at_the_list_of_models_is_not_an_api(server: Server) -> None:
    server.status, server.kind = 404, "text/html"
    assert findings(server.address)["address"][0] == "warning"
    server.kind = "application/json"
    assert findings(server.address)["address"][0] == "ok"
    server.kind = "text/html"
    upstream = UpstreamSettings("gemini_api", base_url=server.address)
    (found, *_) = network_findings(Settings(upstreams={"far": upstream}), ["far"], {})
    assert found.status == "ok"  # the list is at another path


@pytest.mark.parametrize(("ahead", "word"), [(-3600.0, "3600 s ahead"), (600.0, "600 s behind")])
def test_wrong_clock_is_found(server: Server, ahead: float, word: str) -> None:
    server.ahead = ahead
    status, detail, _ = findings(server.address)["clock"]
    assert status == "failed"
    assert abs(int(detail.split(" s ")[0].split()[-1]) - abs(ahead)) <= 2
    assert detail.endswith(word.split(" s ")[1])


def test_refused_connection_is_explained() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, detail, remedy = findings(f"http://127.0.0.1:{port}")["address"]
    assert (status, detail) == ("failed", "far: 127.0.0.1 refuses connections")
    assert "running" in remedy


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (lambda: socket.gaierror(-2, "Name or service not known"), "cannot be resolved"),
        (untrusted, "not trusted: self-signed certificate"),
        (lambda: TimeoutError("timed out"), "does not answer within 5 s"),
        (lambda: OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_other_failures_are_explained(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[], OSError], word: str
) -> None:
    def ask(*arguments: Any) -> Any:
        raise error()

    monkeypatch.setattr(doctor_network, "ask", ask)
    status, detail, remedy = findings("https://far.example/v1")["address"]
    assert (status, word in detail) == ("failed", True), detail
    assert remedy


def test_server_that_speaks_no_http_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-x\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        found = findings(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert found["address"][0] == "failed"
    assert "does not speak HTTP" in found["address"][1]


def test_proxy_is_used_and_a_variable_is_named(server: Server) -> None:
    found = findings("https://far.example/v1", proxy=server.address)
    assert found["address"][0] == "failed"
    assert "407" in found["address"][1]
    assert "proxy" not in found
    found = findings(server.address, HTTPS_PROXY="http://user:secret@proxy.example")
    assert found["proxy"] == ("ok", "HTTPS_PROXY is set, but the gateway does not read it", "")


def test_failure_of_the_proxy_is_not_said_of_the_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
    status, detail, remedy = findings("https://far.example/v1", proxy=proxy)["address"]
    assert (status, detail) == ("failed", "far: the proxy 127.0.0.1 refuses connections")
    assert remedy == "check upstreams.far.http_proxy"

    def ask(*arguments: Any) -> Any:
        raise TimeoutError("timed out")

    monkeypatch.setattr(doctor_network, "ask", ask)
    _, detail, _ = findings("https://far.example/v1", proxy=proxy)["address"]
    assert detail == "far: far.example does not answer within 5 s through the proxy 127.0.0.1"


@pytest.mark.parametrize(
    ("address", "is_wrong"),
    [
        ("https://x.example/v1", False),
        ("https://x.example/api/v1beta", False),
        ("https://x.example", False),
        ("https://x.example/v1/v1", True),
        ("https://x.example/v1/v1/", True),
        ("https://x.example/v1/chat/completions", True),
        ("https://x.example/v1/messages/", True),
        ("https://x.example/v1beta/models/m:generateContent", True),
        ("https://x.example/v1/models", True),
    ],
)
def test_paths_of_base_addresses_are_checked(address: str, is_wrong: bool) -> None:
    assert bool(path_problem(address)) is is_wrong


def test_command_names_wrong_path_and_asks_unless_offline(
    run: Run, tmp_path: Path, server: Server
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    file = home / "antigravity.toml"
    text = f'[upstreams.far]\nkind = "openai"\napi_key = "k"\nbase_url = "{server.address}/v1/v1"\n'
    file.write_text(text)
    file.chmod(0o600)
    found = run("doctor", "--json", check=True).json["findings"]
    details = [each["detail"] for each in found if each["name"] == "address"]
    assert any("its path has v1 twice" in detail for detail in details)
    assert len(server.asked) == 1
    run("doctor", "--json")
    assert len(server.asked) == 1


def test_safe_things_are_repaired(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("accounts", "add", "openai", stdin="sk-one\n")
    (account,) = (home / "accounts").iterdir()
    fields = json.loads(account.read_text())
    account.write_text(json.dumps({**fields, "secret": ' "Bearer sk-one" ', "mine": 1}))
    account.chmod(0o644)
    home.chmod(0o755)
    record = record_path(home)
    record.parent.mkdir(exist_ok=True)
    gone = RunningGateway(pid=2**22 + 1, process_start="then")
    record.write_text(json.dumps({"pid": gone.pid, "process_start": gone.process_start}))
    done = run("doctor", "--fix")
    assert done.code == 0, done.err
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(account.stat().st_mode) == 0o600
    kept = json.loads(account.read_text())
    assert (kept["secret"], kept["mine"]) == ("sk-one", 1)
    assert not record.exists()
    assert "did write the bare secret" in done.err
    assert "sk-one" not in done.err
    assert "did" not in run("doctor", "--fix").err, "nothing is left to repair"


def test_home_is_created(run: Run, tmp_path: Path) -> None:
    run("doctor", "--fix")
    assert (tmp_path / "home" / "antigravity.toml").exists()


def test_failed_repair_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir(mode=0o755)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    done = run("doctor", "--fix")
    assert "could not let only its owner read" in done.err


@pytest.mark.parametrize(
    ("free", "status"), [(50 * 1024**2, "failed"), (500 * 1024**2, "warning"), (1024**4, "ok")]
)
def test_room_on_disk_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    class Usage:
        pass

    usage = Usage()
    usage.free = free  # type: ignore[attr-defined]
    monkeypatch.setattr(doctor_repairs.shutil, "disk_usage", lambda folder: usage)
    (finding,) = disk_finding(tmp_path / "missing" / "home")
    assert finding.status == status
