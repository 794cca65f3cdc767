"""A choice among values, which only Gemini has as a format, is asked for in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antigravity.ir.call import Call
from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.lowering.pipeline import lower
from antigravity.lowering.provider_content import foreign_extensions
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT

FORMAT = {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a b", "c"]}}


def request(**config: Any) -> Request:
    body = {"contents": [{"parts": [{"text": "q"}]}], "generationConfig": config}
    route = next(route for route in GEMINI_SERVER.routes if route.path.endswith(":generateContent"))
    data = msgspec.json.encode(body)
    return GEMINI_SERVER.decode(Call(route, {"model": "m"}, {}, {}, data))


def lowered(asked: Request, client: Any) -> tuple[Request, set[str]]:
    result = lower(asked, client.traits, Target("m"), client.name)
    return result.request, {loss.field for loss in result.losses}


@pytest.mark.parametrize("name", ["responseSchema", "responseJsonSchema"])
def test_values_become_an_instruction_for_other_protocols(name: str) -> None:
    asked = request(responseMimeType="text/x.enum", **{name: {"enum": ["a b", "c"]}})
    found, lost = lowered(asked, OPENAI_CHAT_CLIENT)
    assert found.system[-1].text.endswith("without quotes:\n- a b\n- c")
    assert lost == {"response_format"}
    assert foreign_extensions(found, OPENAI_CHAT_CLIENT.name) == ()


def test_other_settings_of_the_format_are_lost() -> None:
    found, _ = lowered(request(**FORMAT, mediaResolution="odd"), OPENAI_CHAT_CLIENT)
    assert found.extensions["generationConfig"].keys() == {"mediaResolution"}


def test_gemini_gets_the_format_itself() -> None:
    found, lost = lowered(request(**FORMAT), GEMINI_CLIENT)
    assert (found.system, lost) == ((), set())


@pytest.mark.parametrize(
    "config",
    [
        {"responseMimeType": "text/x.enum"},
        {"responseMimeType": "text/x.enum", "responseSchema": {"enum": []}},
        {"responseMimeType": "text/x.other", "responseSchema": {"enum": ["a"]}},
    ],
)
def test_nothing_is_added_without_values(config: dict[str, Any]) -> None:
    assert lowered(request(**config), OPENAI_CHAT_CLIENT)[0].system == ()


def test_other_extensions_are_no_format() -> None:
    asked = Request("m", (Message("user", (Text("q"),)),), "gemini", extensions={"labels": {}})
    assert lowered(asked, OPENAI_CHAT_CLIENT)[0].system == ()
