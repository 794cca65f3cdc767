"""Sessions of Claude Code: compaction, plan mode and sub-agents, over every upstream protocol."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Simulator
from tests.clients.stream_json import converse

MODEL = ("--model", "claude-sonnet-5")
COMMAND = '[[tool Bash {"command": "expr 40 + 2 | sed s/^/ZEBRA-/", "description": "marker"}]]'
OTHER = '[[tool Bash {"command": "expr 20 + 3 | sed s/^/LYNX-/", "description": "other"}]]'

every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
def test_session_continues_after_compaction(
    claude: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    answer = claude.ask(gateway.address, COMMAND, *MODEL)
    assert "ZEBRA-42" in answer.out, answer.output
    answer = claude.resume(gateway.address, "/compact [[say SUMMARY-7]]", *MODEL)
    assert answer.code == 0, answer.output
    simulator.forget()
    answer = claude.resume(gateway.address, OTHER, *MODEL)
    assert "LYNX-23" in answer.out, answer.output
    for body in map(json.dumps, simulator.bodies()):
        assert "SUMMARY-7" in body
        assert "expr 40" not in body  # which the summary replaces; the last message is kept
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_plan_mode_ends_with_approved_plan(
    claude: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    steps = (
        '[[tool ToolSearch {"query": "select:ExitPlanMode"}]]',
        "[[tool ExitPlanMode {}]]",
        '[[tool Write {"file_path": "made.txt", "content": "PLANNED-9"}]]',
        COMMAND,
    )
    script = converse(
        claude, gateway.address, ["[[then]]".join(steps)], "--permission-mode", "plan", *MODEL
    )
    results = json.dumps(script.blocks("tool_result"))
    assert "ExitPlanMode" in script.approved, script
    assert "ZEBRA-42" in results, script
    assert (claude.work / "made.txt").read_text() == "PLANNED-9", script
    assert "ZEBRA-42" in script.results[-1]
    names = [block["name"] for block in script.blocks("tool_use")]
    assert names == ["ToolSearch", "ExitPlanMode", "Write", "Bash"]
    assert {a.status for a in gateway.arrivals()} == {200}
    # A tool that was deferred is declared once the search has found it.
    first, last = simulator.bodies()[0], simulator.bodies()[-1]
    assert json.dumps(last).count("ExitPlanMode") > json.dumps(first).count("ExitPlanMode")


@every_target
def test_sub_agent_uses_tools(
    claude: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    task = {
        "description": "find it",
        "subagent_type": "general-purpose",
        "prompt": COMMAND,
        "run_in_background": False,
    }
    prompt = f"[[tool Agent {json.dumps(task)}]][[then]]{OTHER}"
    script = converse(claude, gateway.address, [prompt], "--dangerously-skip-permissions", *MODEL)
    assert [block["name"] for block in script.blocks("tool_use", of_agent=True)] == ["Bash"]
    assert "ZEBRA-42" in json.dumps(script.blocks("tool_result", of_agent=True)), script
    own = json.dumps(script.blocks("tool_result", of_agent=False))
    assert "ZEBRA-42" in own, script  # which the agent reported
    assert "LYNX-23" in own, script
    assert "LYNX-23" in script.results[-1], script
    assert {a.status for a in gateway.arrivals()} == {200}
