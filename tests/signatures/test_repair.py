"""A refused history goes out again without what was refused, and loses no word."""

from __future__ import annotations

from antigravity.ir.parts import Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.signatures.repair import without_signatures

BAD = Signature("bad", "gemini")
HISTORY = Request(
    "m",
    (
        Message("user", (Text("go"),)),
        Message("assistant", (Thinking("hm", BAD), ToolCall("1", "f", '{"a":1}', signature=BAD))),
        Message("user", (ToolResult("1", (Text("done"),), name="f"),)),
        Message("assistant", (Thinking("only thought", BAD),)),
        Message("user", (Text("and?"),)),
    ),
    "test",
    thinking=ThinkingConfig("on", 2000),
)


def parts(request: Request) -> list[Part]:
    return [part for message in request.messages for part in message.parts]


def test_calls_stay_calls_where_no_signature_is_demanded() -> None:
    repaired = without_signatures(HISTORY, demanded=False)
    assert not any(isinstance(part, Thinking) for part in parts(repaired))
    assert ToolCall("1", "f", '{"a":1}') in parts(repaired)
    assert repaired.thinking == ThinkingConfig("off")
    assert all(message.parts for message in repaired.messages)


def test_calls_become_text_where_one_is_demanded() -> None:
    repaired = without_signatures(HISTORY, demanded=True)
    assert not any(isinstance(p, ToolCall | ToolResult | Thinking) for p in parts(repaired))
    text = " ".join(part.text for part in parts(repaired) if isinstance(part, Text))
    assert all(word in text for word in ("go", '{"a":1}', "done", "and?"))
    assert repaired.thinking == HISTORY.thinking
