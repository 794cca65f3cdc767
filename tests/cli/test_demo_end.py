"""The end of a demo, in a real process: the first account replaces the simulator."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import Run, Simulated, wait_for_record
from tests.support.gateway_process import get, running

SLOW = {
    "model": "gpt-5.1",
    "stream": True,
    "messages": [{"role": "user", "content": "[[chunks 4]] [[delay .3]]"}],
}
STREAM = json.dumps(SLOW).encode()


def begin_stream(address: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    connection.request("POST", "/v1/chat/completions", STREAM, {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def readiness(address: str) -> dict[str, Any]:
    try:
        return dict(json.loads(get(f"{address}/readyz")))
    except OSError as error:  # 503
        return dict(json.loads(error.read()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["--demo", "--demo-if-empty"])
def test_first_account_ends_the_demo_without_a_gap(
    run: Run, simulated: Simulated, tmp_path: Path, option: str
) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0", option]
    with running(command, home, tmp_path) as server:
        address = server.address()
        wait_for_record(tmp_path / "home")
        assert "DEMO" in server.log
        assert readiness(address)["message"].startswith("DEMO")
        assert run("status").out.startswith("DEMO")
        assert "DEMO" in run("doctor").out
        connection, response = begin_stream(address)
        assert response.headers["X-Antigravity-Demo"] == "true"
        added = run("accounts", "add", "openai", "sk-0", "--base-url", f"{simulated.address}/v1")
        assert added.code == 0
        assert run("reload").code == 0
        assert "demo" not in readiness(address)
        shown = run("status", "--json").json
        assert shown["demo"] is False
        assert [each["upstream"] for each in shown["pool"]["accounts"]] == ["127-0-0-1"]
        (account,) = shown["accounts"]
        assert run("accounts", "use", account["id"]).code == 0
        assert run("status", "--json").json["pool"]["fixed"] == account["id"]
        assert "ready, fixed" in run("status").out
        assert run("accounts", "use", "--auto").code == 0
        assert run("status", "--json").json["pool"]["fixed"] is None
        assert run("accounts", "use", "nobody").code == 1
        explained = run("explain", "gpt-5.1", "--client", "codex").out
        assert "unknown" in explained
        assert "100 %" not in explained
        assert "Did you mean" in run("explain", "gpt-5.1", "--client", "openai_chta").err
        assert b"[DONE]" in response.read(), "the demo's own requests end normally"
        connection.close()
        connection, response = begin_stream(address)
        assert response.headers["X-Antigravity-Demo"] is None
        assert b"[DONE]" in response.read()
        connection.close()
        assert "DEMO" not in run("status").out + run("doctor").out
        server.stop()
        assert "Traceback" not in server.log
        assert server.log.count("the gateway has stopped") == 2
    assert not (home / "state" / "gateway.json").exists()
    assert (home / "state" / "ledger.db").exists(), "the successor stores its state"


def test_demo_beside_accounts_stays_a_demo(run: Run, tmp_path: Path) -> None:
    run("accounts", "add", "openai", "sk-0")
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0", "--demo"]
    with running(command, tmp_path / "home", tmp_path) as server:
        address = server.address()
        wait_for_record(tmp_path / "home")
        assert run("reload").code == 0
        assert readiness(address)["demo"] is True
        server.stop()
