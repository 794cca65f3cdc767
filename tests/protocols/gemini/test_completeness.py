"""Which requests may pass to a model as they are."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.gemini.completeness import is_complete
from tests.support.protocols import call_of

SIGNED = Capabilities(family="gemini", requires_signatures=True)
CLAUDE = Capabilities(family="claude")
PLAIN = Capabilities(family="gemini")
CALL = {"functionCall": {"name": "f", "args": {}}}


def body(*parts: Any) -> bytes:
    return json.dumps({"contents": [{"role": "model", "parts": list(parts)}]}).encode()


@pytest.mark.parametrize(
    ("parts", "capabilities", "complete"),
    [
        ([CALL], PLAIN, True),
        ([CALL], SIGNED, False),
        ([{"function_call": {"name": "f"}}], SIGNED, False),
        ([{**CALL, "thoughtSignature": "c2ln"}, CALL], SIGNED, True),
        ([{**CALL, "thought_signature": "c2ln"}], SIGNED, True),
        ([{"text": 'a call without "thoughtSignature": none'}], SIGNED, True),
        ([{"text": 'say "functionCall": {}'}], SIGNED, True),
        ([CALL, {"text": 'say "thoughtSignature": "x"'}], SIGNED, False),
        ([CALL], CLAUDE, False),
        ([{"functionCall": {"id": "", "name": "f"}}], CLAUDE, False),
        ([{"functionCall": {"id": "c1", "name": "f"}}], CLAUDE, True),
        ([{"functionCall": {"id": "c1"}}, {"functionResponse": {"name": "f"}}], CLAUDE, False),
        ([{"functionCall": {"id": "a"}}, {"functionResponse": {"id": "a"}}], CLAUDE, True),
        ([{"text": "hi"}], CLAUDE, True),
    ],
)
def test_body_is_complete_when_parts_fit_the_model(
    parts: list[Any], capabilities: Capabilities, complete: bool
) -> None:
    assert is_complete(call_of("gemini", body(*parts)), capabilities) is complete


def test_large_bodies_are_looked_through_quickly() -> None:
    """Pictures are megabytes: a pattern that looks at each byte takes a hundred times as long."""
    picture = "iVBORw0KGgo" * 200_000
    data = body({"inlineData": {"data": picture}})
    call = call_of("gemini", data)
    began = process_time()
    for _ in range(5):
        assert is_complete(call, SIGNED)
    assert process_time() - began < 20 * _scan(data)


def _scan(data: bytes) -> float:
    began = process_time()
    for _ in range(5):
        assert b'"functionCall"' not in data
    return process_time() - began
