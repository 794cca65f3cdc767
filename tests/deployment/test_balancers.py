"""The examples for nginx and Envoy, with these programs before real gateways and fake ones."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.sync.client import connect

from antigravity.web.key_throttle import FREE_TRIES
from bench.balancers import ETC, envoy, nginx, nginx_frame
from bench.certificates import write_certificate
from bench.load import Load, run
from bench.programs import SOURCE, Program, gateway, upstream
from bench.requests import RequestSpec
from tests.deployment.fake_gateway import FakeGateway, fake_gateways
from tests.deployment.programs import find

Balancer = Callable[[Path, tuple[int, int]], AbstractContextManager[Program]]
#: The upstream's response takes three seconds, and the client wants it whole.
SLOW = RequestSpec("anthropic", "gemini", pieces=15, pause=200)
CHAT, NOT_REPEATED = "/v1/chat/completions", "/mcp"


@pytest.fixture(params=["nginx", "envoy"])
def balancer(request: pytest.FixtureRequest) -> Balancer:
    """Return what runs a balancer in a folder before two ports."""
    start = {"nginx": nginx, "envoy": envoy}[request.param]
    program = find(request.param)
    return lambda folder, ports: start(folder, ports, program)


@dataclass(frozen=True)
class Scene:
    """A balancer with two gateways, which share a provider."""

    port: int
    gateways: tuple[Program, Program]
    logs: tuple[Path, Path]


@pytest.fixture
def scene(balancer: Balancer, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        address = f"http://127.0.0.1:{stack.enter_context(upstream(tmp_path)).port}"
        more = '\n[proxy]\nwhole_responses = "never"\n'
        first, second = (
            stack.enter_context(gateway(name, SOURCE, tmp_path, address, more=more))
            for name in ("one", "two")
        )
        for each in (first, second):
            each.wait_serving(RequestSpec("openai", "openai"))
        found = stack.enter_context(balancer(tmp_path, (first.port, second.port)))
        yield Scene(found.port, (first, second), (tmp_path / "one.log", tmp_path / "two.log"))


def send(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    """Send a request, and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, names)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def ask_slowly(port: int) -> int:
    path, body = SLOW.body()
    headers = {name.replace("-", "_"): value for name, value in SLOW.lines().items()}
    return send(port, "POST", path, body, Content_Type="application/json", **headers)


def test_events_of_streams_are_sent_at_once(scene: Scene) -> None:
    spec = RequestSpec("anthropic", "gemini", stream=True, pieces=10, pause=200)
    result = run(scene.port, Load(spec, clients=2, seconds=30, requests=4)).check()
    # If they were buffered, the first ones would be late by nearly two seconds.
    assert result.responses == 4
    assert sorted(result.lags)[len(result.lags) // 2] < 500


def test_requests_survive_a_killed_gateway(scene: Scene) -> None:
    with ThreadPoolExecutor(12) as clients:
        running = [clients.submit(ask_slowly, scene.port) for _ in range(12)]
        time.sleep(1)
        os.kill(scene.gateways[0].pid, signal.SIGKILL)
        assert [each.result() for each in running] == [200] * 12
        later = [clients.submit(ask_slowly, scene.port) for _ in range(6)]
        assert [each.result() for each in later] == [200] * 6
    # It served none of the first twelve: it died while it did, and the other one served all.
    served = [len(re.findall(r"POST /v1/messages 200", log.read_text())) for log in scene.logs]
    assert served == [0, 18]


def test_websocket_passes(scene: Scene) -> None:
    with connect(f"ws://127.0.0.1:{scene.port}/v1/responses", open_timeout=30) as socket:
        socket.send(json.dumps({"type": "response.create", "model": "no-such", "input": "x"}))
        assert json.loads(socket.recv(timeout=30))["type"] == "error"


@pytest.fixture
def fakes(
    balancer: Balancer, tmp_path: Path
) -> Iterator[tuple[int, tuple[FakeGateway, FakeGateway]]]:
    with (
        fake_gateways() as gateways,
        balancer(tmp_path, (gateways[0].port, gateways[1].port)) as found,
    ):
        deadline = time.monotonic() + 30
        while send(found.port, "GET", "/ready") != 200:  # Envoy first checks the gateways' health
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for each in gateways:
            each.heads.clear()
        yield found.port, gateways


Fakes = tuple[int, tuple[FakeGateway, FakeGateway]]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (CHAT, 2),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", 2),
        (NOT_REPEATED, 1),
        ("/v1/images/generations", 1),
        ("/admin/keys", 1),
    ],
)
def test_only_requests_to_models_are_repeated(fakes: Fakes, path: str, sent: int) -> None:
    port, gateways = fakes
    for each in gateways:
        each.mode = "die"
    assert send(port, "POST", path, b"{}") in (502, 503)
    heads = [len(each.heads) for each in gateways]
    # nginx tries each once, Envoy four times in all.
    assert sum(heads) == 1 if sent == 1 else sum(heads) in (2, 4) and min(heads) >= 1


def test_host_and_address_of_client_reach_gateway(fakes: Fakes) -> None:
    port, gateways = fakes
    status = send(
        port, "POST", CHAT, b"{}", Host="gateway.example.org", X_Forwarded_For="203.0.113.9"
    )
    assert status == 200
    (head,) = [head for each in gateways for head in each.heads]
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert lines["host"] == "gateway.example.org"
    # What the client says is gone, or is not the last one.  In the place of loopback, Envoy names
    # another address of the machine.
    assert lines["x-forwarded-for"].rpartition(",")[2].strip() != "203.0.113.9"
    assert lines["x-forwarded-proto"] == "http"


def test_clients_behind_nginx_have_their_own_addresses(tmp_path: Path) -> None:
    """Wrong keys are counted for the address of the client, whatever it says."""
    program = find("nginx")
    more = (
        '\n[proxy]\nauth_mode = "all_except_health"\napi_key = "sk-right"\n'
        'trusted_proxies = ["127.0.0.1"]\n'
    )
    with ExitStack() as stack:
        address = f"http://127.0.0.1:{stack.enter_context(upstream(tmp_path)).port}"
        found = stack.enter_context(gateway("one", SOURCE, tmp_path, address, more=more))
        found.wait_listening()
        port = stack.enter_context(nginx(tmp_path, (found.port, found.port), program)).port
        for source in ("127.0.0.2", *["127.0.0.3"] * (FREE_TRIES + 1)):
            connection = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=60, source_address=(source, 0)
            )
            headers = {"x-api-key": "sk-wrong", "X-Forwarded-For": "192.0.2.1"}
            connection.request("GET", "/v1/models", headers=headers)
            assert connection.getresponse().status == 401
            connection.close()
    log = (tmp_path / "one.log").read_text()
    assert f"{FREE_TRIES + 1} requests from 127.0.0.3 had a wrong API key" in log


def test_query_is_in_no_log(fakes: Fakes, tmp_path: Path) -> None:
    port, _ = fakes
    assert send(port, "GET", "/v1beta/models?key=sk-veiled") == 200
    deadline = time.monotonic() + 20
    logs = [tmp_path / "nginx" / "access.log", tmp_path / "envoy.log"]
    while not (lines := "".join(p.read_text() for p in logs if p.exists()).count("/v1beta/models")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert lines == 1
    assert not any("sk-veiled" in path.read_text() for path in logs if path.exists())


def test_metrics_of_one_gateway_are_not_offered(fakes: Fakes) -> None:
    port, gateways = fakes
    assert send(port, "GET", "/metrics") == 404
    assert [each.heads for each in gateways] == [[], []]


def test_dashboard_stays_at_one_gateway(fakes: Fakes) -> None:
    port, gateways = fakes
    for _ in range(6):
        assert send(port, "GET", "/dashboard/requests") == 200
    assert sorted(len(each.heads) for each in gateways) == [0, 6]


def test_nginx_accepts_example_for_one_gateway(tmp_path: Path) -> None:
    """The other example is run; this one needs a certificate."""
    program = find("nginx")
    certificate, key = write_certificate(tmp_path)
    certificate.rename(tmp_path / "fullchain.pem")
    key.rename(tmp_path / "privkey.pem")
    text = (ETC / "nginx.conf").read_text("ascii")
    for old, new in {
        "/etc/letsencrypt/live/gateway.example.org": str(tmp_path),
        "/var/log/nginx/antigravity.log": "access.log",
        "listen 443": "listen 127.0.0.1:1",
        "listen [::]:443": "listen 127.0.0.1:2",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "nginx.conf").write_text(nginx_frame(text))
    done = subprocess.run(
        [program, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
