"""Which requests may pass to a model as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.gemini.completeness import is_complete

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
def test_what_passes(parts: list[Any], capabilities: Capabilities, complete: bool) -> None:
    assert is_complete(body(*parts), capabilities) is complete
