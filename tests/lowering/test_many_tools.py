"""Histories of very many tool calls take time in proportion to their length.

Nothing is timed: in proportion to the square of it, each of these tests would take minutes.
"""

from __future__ import annotations

import pytest

from antigravity.ir.capabilities import Traits
from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.lowering.pairing import pair_tools
from antigravity.lowering.tool_names import lower_tools

MANY = 20_000


def call(name: str) -> ToolCall:
    return ToolCall(name, "f", "{}")


def result(name: str, text: str = "ok") -> ToolResult:
    return ToolResult(name, (Text(text),))


def request(*messages: Message) -> Request:
    return Request("m", messages, "anthropic")


def pairs(paired: Request) -> list[tuple[str, str]]:
    """Return the ids of calls, and of the results in the messages after theirs."""
    found = []
    calls: list[str] = []
    for message in paired.messages:
        if message.role == "assistant":
            calls += [part.id for part in message.parts if isinstance(part, ToolCall)]
        else:
            results = [part.call_id for part in message.parts if isinstance(part, ToolResult)]
            found += list(zip(calls, results, strict=True))
            calls = []
    return found


def test_turns_whose_calls_all_have_the_same_id_are_paired() -> None:
    turns = [
        message
        for number in range(MANY)
        for message in (
            Message("assistant", (call("t"),)),
            Message("user", (result("t", str(number)),)),
        )
    ]
    paired, losses = pair_tools(request(*turns))
    found = pairs(paired)
    assert len({one for one, _ in found}) == MANY
    assert all(one == other for one, other in found)
    assert losses == ()


def test_calls_of_one_turn_that_all_have_the_same_id_are_paired_in_order() -> None:
    calls = Message("assistant", tuple(call("t") for _ in range(MANY)))
    results = Message("user", tuple(result("t", str(n)) for n in range(MANY)))
    paired, losses = pair_tools(request(calls, results))
    found = pairs(paired)
    assert len({one for one, _ in found}) == MANY
    assert all(one == other for one, other in found)
    texts = [part.parts[0].text for part in paired.messages[1].parts]  # type: ignore[union-attr]
    assert texts == [str(number) for number in range(MANY)]
    assert losses == ()


def test_results_in_messages_of_their_own_and_in_opposite_order_are_paired() -> None:
    calls = Message("assistant", tuple(call(f"t{n}") for n in range(MANY)))
    results = [Message("user", (result(f"t{n}"),)) for n in reversed(range(MANY))]
    paired, losses = pair_tools(request(calls, *results))
    assert pairs(paired) == [(f"t{n}", f"t{n}") for n in range(MANY)]
    assert losses == ()


@pytest.mark.parametrize("name", ["f0", "f19999", "unknown"])
def test_results_are_paired_among_very_many_calls(name: str) -> None:
    tools = tuple(FunctionTool(f"f{n}", "", {}) for n in range(MANY))
    turns = [Message("user", (ToolResult(f"t{n}", (Text("ok"),), name=name),)) for n in range(MANY)]
    lowered, table = lower_tools(
        Request("m", tuple(turns), "anthropic", tools=tools), Traits(family="x")
    )
    assert table.wire_names(name) == [name]
    assert len(lowered.messages) == MANY
