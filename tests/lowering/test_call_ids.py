"""Ids of tool calls in the form that the target takes; clients keep theirs."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.lowering.call_ids import fit_call_ids

CHAT = Traits("openai", id_max=40)
TARGET = Target("m", Capabilities())
MISTRAL = Target("m", Capabilities(), frozenset(("call_ids_9",)))
LONG = "toolu_" + "x" * 90


def history(*ids: str) -> Request:
    """Return a conversation in which each id was called and answered."""
    turns = [Message("user", (Text("hi"),))]
    for identifier in ids:
        turns.append(Message("assistant", (Text("ok"), ToolCall(identifier, "f", "{}"))))
        turns.append(Message("user", (ToolResult(identifier, (Text("r"),)), Text("go on"))))
    return Request("m", tuple(turns), "anthropic")


def ids_of(request: Request) -> tuple[list[str], list[str]]:
    """Return the ids of the calls and of the results."""
    parts = [part for message in request.messages for part in message.parts]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    return calls, [part.call_id for part in parts if isinstance(part, ToolResult)]


def test_long_ids_become_stable_short_ids() -> None:
    lowered, losses = fit_call_ids(history(LONG, "call_1"), CHAT, TARGET)
    calls, results = ids_of(lowered)
    assert calls == results
    assert len(calls[0]) <= 40
    assert calls[1] == "call_1"
    assert losses == ()
    later, _ = fit_call_ids(history("call_0", LONG), CHAT, TARGET)
    assert ids_of(later)[0][1] == calls[0]  # wherever it stands: caches of prompts hold


def test_legal_ids_leave_request_unchanged() -> None:
    asked = history("call_1", "x" * 40)
    assert fit_call_ids(asked, CHAT, TARGET)[0] is asked
    assert fit_call_ids(history(LONG), Traits("gemini"), TARGET)[0] == history(LONG)


def test_ids_match_pattern_of_target() -> None:
    traits = Traits("openai", id_pattern=re.compile(r"[a-z0-9_]+"))
    calls, _ = ids_of(fit_call_ids(history("a.b", "ok"), traits, TARGET)[0])
    assert re.fullmatch(r"[a-z0-9_]+", calls[0])
    assert calls[1] == "ok"


def test_mistral_ids_have_nine_letters_and_digits() -> None:
    calls, results = ids_of(fit_call_ids(history("call_1", "D681PevKs", LONG), CHAT, MISTRAL)[0])
    assert calls == results
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", identifier) for identifier in calls)
    assert calls[1] == "D681PevKs"


@given(st.lists(st.text(min_size=1, max_size=60), max_size=6, unique=True))
def test_different_ids_stay_different_and_paired(ids: list[str]) -> None:
    for target in (TARGET, MISTRAL):
        calls, results = ids_of(fit_call_ids(history(*ids), CHAT, target)[0])
        assert calls == results
        assert len(set(calls)) == len(ids)
        assert all(len(identifier) <= 40 for identifier in calls)
