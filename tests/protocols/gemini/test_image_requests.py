"""Requests for pictures, where Code Assist takes less than the public API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.protocols.gemini.completeness import is_complete
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.routing.capability_table import CapabilityTable, shipped_rules
from tests.support.protocols import call_of

TABLE = CapabilityTable(shipped_rules())
MODEL = "gemini-3.1-flash-image"


def body(*quirks: str, model: str = MODEL, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    request = Request(
        model,
        (Message("user", (Text("a cat"),)),),
        "openai_images",
        system=(Text("In oil."),),
        modalities=("image",),
        image_config={"aspectRatio": "1:1"},
        **fields,
    )
    target = Target(model, TABLE.capabilities(model), frozenset(quirks))
    encoded = GEMINI_CLIENT.encode(request, target)
    return json.loads(encoded.body), [loss.field for loss in encoded.warnings]


def test_public_api_receives_all_settings() -> None:
    said, losses = body()
    assert said["generationConfig"]["responseModalities"] == ["IMAGE"]
    assert said["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1"}
    assert said["systemInstruction"]["parts"] == [{"text": "In oil."}]
    assert losses == []


def test_code_assist_receives_system_prompt_in_first_turn() -> None:
    said, losses = body("codeassist", response_format=ResponseFormat("json"))
    assert "systemInstruction" not in said
    assert said["contents"][0]["parts"] == [{"text": "In oil."}, {"text": "a cat"}]
    assert said["generationConfig"] == {"imageConfig": {"aspectRatio": "1:1"}}
    assert losses == ["system", "response_format"]


def test_other_models_receive_system_instruction() -> None:
    said, _ = body("codeassist", model="gemini-3-flash")
    assert "systemInstruction" in said


@pytest.mark.parametrize(
    ("sent", "passes"),
    [
        ({"contents": [{"parts": [{"text": 'say "tools": now'}]}]}, True),
        ({"contents": [], "generationConfig": {"imageConfig": {"aspectRatio": "1:1"}}}, True),
        ({"contents": [], "tools": []}, False),
        ({"contents": [], "systemInstruction": {}}, False),
        ({"contents": [], "system_instruction": {}}, False),
        ({"contents": [], "generationConfig": {"responseModalities": ["IMAGE"]}}, False),
        ({"contents": [], "generationConfig": {"response_mime_type": "text/plain"}}, False),
    ],
)
def test_image_request_is_complete_without_system_prompt(sent: Any, passes: bool) -> None:
    data = json.dumps(sent).encode()
    assert is_complete(call_of("gemini", data), TABLE.capabilities(MODEL)) is passes
    assert is_complete(call_of("gemini", data), TABLE.capabilities("gemini-2.5-flash"))
