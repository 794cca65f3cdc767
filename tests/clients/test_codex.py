"""Codex over the gateway, to every upstream protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver, patch_of
from tests.clients.servers import TARGETS, Gateway, Simulator

SHELL = '[[tool exec_command {"cmd": "expr 40 + 2 | sed s/^/ZEBRA-/"}]]'
OTHER = '[[tool exec_command {"cmd": "expr 20 + 3 | sed s/^/LYNX-/"}]]'
LONG = "[[chunks 8]][[say " + "word " * 40 + "]]"

every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
def test_client_prints_response(codex: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = codex.ask(gateway.address, "Hello [[say GREETING-7 zürich]]")
    assert answer.out.strip() == "GREETING-7 zürich", answer.output
    assert answer.code == 0
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_client_runs_command(codex: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = codex.ask(gateway.address, SHELL)
    assert "ZEBRA-42" in answer.out, answer.output
    assert [a.status for a in gateway.arrivals() if a.method == "POST"] == [200, 200]


@every_target
def test_client_runs_parallel_commands(codex: Driver, gateways: Gateways, target: str) -> None:
    answer = codex.ask(gateways(target).address, SHELL + OTHER)
    assert "ZEBRA-42" in answer.out, answer.output
    assert "LYNX-23" in answer.out, answer.output


@every_target
def test_thinking_is_valid_in_tool_loop(
    codex: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    prompt = f"[[think PONDER-5]]{SHELL}[[then]][[think PONDER-6]]{OTHER}"
    answer = codex.ask(gateways(target).address, prompt, "-c", 'model_reasoning_effort="high"')
    assert "LYNX-23" in answer.out, answer.output
    last = json.dumps(simulator.bodies()[-1])
    if target != "chat":  # which has no place for thinking
        assert last.count('ignature": "') >= 2 or last.count("encrypted_content") >= 2, last[-3000:]


@every_target
def test_apply_patch_changes_a_file(codex: Driver, gateways: Gateways, target: str) -> None:
    patch = json.dumps({"input": patch_of("made.txt", "PATCHED-9")})
    answer = codex.ask(gateways(target).address, f"[[tool apply_patch {patch}]]")
    made = codex.work / "made.txt"
    assert made.exists(), answer.output
    assert made.read_text() == "PATCHED-9\n"


@every_target
def test_code_mode_runs_program(codex_code_mode: Driver, gateways: Gateways, target: str) -> None:
    # Its tools come inside of the input, and in a namespace.
    name = "exec" if target == "responses" else "functions__exec"
    command = json.dumps({"cmd": "expr 40 + 2 | sed s/^/ZEBRA-/"})
    program = f"const done = await tools.exec_command({command}); text(done.output);"
    call = json.dumps({"input": program})
    answer = codex_code_mode.ask(gateways(target).address, f"[[tool {name} {call}]]")
    assert "ZEBRA-42" in answer.out, answer.output


@every_target
def test_output_schema_is_honoured(
    codex: Driver, gateways: Gateways, target: str, tmp_path: Path
) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    answer = codex.ask(gateways(target).address, "Count", "--output-schema", str(file))
    assert isinstance(json.loads(answer.out)["n"], int), answer.output


@pytest.mark.parametrize("target", ["responses", "anthropic"])
def test_builtin_provider_falls_back_to_http_at_once(
    codex_builtin: Driver, gateways: Gateways, target: str
) -> None:
    gateway = gateways(target, more="[websocket]\nenabled = false\n")
    answer = codex_builtin.ask(gateway.address, SHELL)
    assert "ZEBRA-42" in answer.out, answer.output
    arrivals = gateway.arrivals()
    sockets = [a.status for a in arrivals if a.path == "/v1/responses" and a.method == "GET"]
    assert sockets
    assert set(sockets) == {426}
    assert [a.status for a in arrivals if a.method == "POST"] == [200, 200]
    assert answer.seconds < 15


def requests_by(gateway: Gateway) -> list[str]:
    """Return method and status of what has arrived for responses."""
    arrivals = [a for a in gateway.arrivals() if a.path == "/v1/responses"]
    return [f"{a.method} {a.status}" for a in arrivals]


@every_target
def test_client_runs_command_over_websocket(
    codex_websocket: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    answer = codex_websocket.ask(gateway.address, f"{SHELL}[[then]]{OTHER}[[then]]")
    assert "LYNX-23" in answer.out, answer.output
    assert answer.code == 0
    assert set(requests_by(gateway)) == {"GET 101"}  # one connection, and nothing by POST
    last = json.dumps(simulator.bodies()[-1])
    assert "ZEBRA-42" in last  # which was not sent again
    assert "LYNX-23" in last


def test_upstream_over_websocket_gets_what_is_new(
    codex_websocket: Driver, gateways: Gateways, simulator: Simulator
) -> None:
    gateway = gateways("websocket")
    answer = codex_websocket.ask(gateway.address, f"{SHELL}[[then]]{OTHER}[[then]]")
    assert "LYNX-23" in answer.out, answer.output
    assert answer.code == 0
    assert set(requests_by(gateway)) == {"GET 101"}
    assert simulator.bodies() == []
    prewarm, *_, last = simulator.messages()
    assert prewarm["generate"] is False
    assert last["previous_response_id"]
    assert "LYNX-23" in json.dumps(last)
    assert "ZEBRA-42" not in json.dumps(last)


def test_builtin_provider_uses_websocket(codex_builtin: Driver, gateways: Gateways) -> None:
    gateway = gateways("anthropic")
    answer = codex_builtin.ask(gateway.address, SHELL)
    assert "ZEBRA-42" in answer.out, answer.output
    assert set(requests_by(gateway)) == {"GET 101"}


@pytest.mark.parametrize(("target", "status"), [("responses", 400), ("chat", 429)])
def test_client_ends_on_errors_over_websocket(
    codex_websocket: Driver, gateways: Gateways, target: str, status: int
) -> None:
    gateway = gateways(target, fresh=True)
    prompt = f"[[error {status} retry=1s message=REFUSED-9]]"
    answer = codex_websocket.ask(gateway.address, prompt, timeout=150)
    assert answer.code != 0, answer.output
    assert "ERROR" in answer.err, answer.output
    assert 1 <= len(gateway.arrivals()) <= 12


@pytest.mark.parametrize(
    ("target", "status"),
    [
        *((target, 400) for target in TARGETS),
        ("responses", 401),
        ("chat", 429),
        ("gemini", 500),
        ("anthropic", 529),
    ],
)
def test_client_ends_on_errors(codex: Driver, gateways: Gateways, target: str, status: int) -> None:
    gateway = gateways(target, fresh=True)
    answer = codex.ask(
        gateway.address, f"[[error {status} retry=1s message=REFUSED-9]]", timeout=150
    )
    assert answer.code != 0, answer.output
    assert "ERROR" in answer.err, answer.output
    assert 1 <= len(gateway.arrivals()) <= 12


@every_target
@pytest.mark.parametrize("fault", ["cut 3", "garbage 3", "empty"])
def test_client_ends_on_broken_stream(
    codex: Driver, gateways: Gateways, target: str, fault: str
) -> None:
    gateway = gateways(target, fresh=True)
    answer = codex.ask(gateway.address, f"{LONG}[[{fault}]]", timeout=150)
    assert answer.code != 0, answer.output
    assert "ERROR" in answer.err, answer.output
    assert 1 <= len(gateway.arrivals()) <= 12
