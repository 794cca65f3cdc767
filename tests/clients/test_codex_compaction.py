"""Codex whose conversation is compacted in the middle of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Codex, patch_of
from tests.clients.servers import TARGETS, Simulator
from tests.support.npm import UnavailableError

#: The summary, whenever a model is asked for one: directives after ``[[then]]`` are for later.
FIRST = "[[say SUMMARY-7]][[then]]"
#: A command with more output than the conversation may have, and one after it.
LONG = '[[tool exec_command {"cmd": "seq 1 9000"}]]'
COMMAND = '[[tool exec_command {"cmd": "expr 40 + 2 | sed s/^/ZEBRA-/"}]]'
#: More than the tools and the instructions have, less than these with the output.
LIMIT = ("-c", "model_auto_compact_token_limit=12000")
#: What the gateway puts before a summary that it has opened.
OPENED = "was replaced by a summary"

every_target = pytest.mark.parametrize("target", TARGETS)
every_transport = pytest.mark.parametrize("transport", ["http", "websocket"])


def make_codex(folder: Path, transport: str, provider_name: str) -> Codex:
    """Return Codex with its own provider."""
    try:
        return Codex(folder, websocket=transport == "websocket", provider_name=provider_name)
    except UnavailableError as error:
        pytest.skip(str(error))


def text_of(body: Any) -> str:
    """Return the body of a request as text."""
    return json.dumps(body)


@every_transport
@every_target
def test_session_continues_after_compaction_by_provider(
    tmp_path: Path, gateways: Gateways, simulator: Simulator, target: str, transport: str
) -> None:
    codex, gateway = make_codex(tmp_path, transport, "OpenAI"), gateways(target).address
    answer = codex.ask(gateway, FIRST, *LIMIT)
    assert answer.out.strip() == "SUMMARY-7", answer.output

    simulator.forget()
    answer = codex.resume(gateway, LONG, *LIMIT)
    assert answer.code == 0, answer.output
    turn, compaction, rest = map(text_of, simulator.bodies())
    assert LONG.encode("unicode_escape").decode()[:20] in turn
    assert "SUMMARY-7" in answer.out  # the model's view ends with the summary, which it repeats
    if target == "responses":
        assert '"compaction_trigger"' in compaction
        assert rest.count('"type": "compaction"') == 1
    else:
        assert "<transcript>" in compaction
        assert "ag1.compaction." not in rest
        assert rest.count(OPENED) == 1
        assert "SUMMARY-7" in rest.partition(OPENED)[2]
    assert "8999\\\\n9000" not in rest  # the output that was compacted

    simulator.forget()
    patch = json.dumps({"input": patch_of("made.txt", "PATCHED-9")})
    answer = codex.resume(gateway, f"[[tool apply_patch {patch}]]", *LIMIT)
    assert answer.code == 0, answer.output
    assert (codex.work / "made.txt").read_text() == "PATCHED-9\n"
    for body in map(text_of, simulator.bodies()):
        assert (OPENED in body) is (target != "responses")


@every_target
def test_session_continues_after_compaction_by_client(
    tmp_path: Path, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    codex, gateway = make_codex(tmp_path, "http", "local"), gateways(target).address
    # The client keeps the end of what the user said; the model's echo of it is summarised.
    limit = ("-c", "model_auto_compact_token_limit=40000")
    codex.ask(gateway, "word " * 30_000, *limit)
    simulator.forget()
    answer = codex.resume(gateway, COMMAND, *limit)
    assert "ZEBRA-42" in answer.out, answer.output
    compaction, turn, last = map(text_of, simulator.bodies())
    assert compaction.count("word") > 50_000 > turn.count("word")
    assert "ZEBRA-42" in last
