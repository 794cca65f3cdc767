"""Calls of tools that OpenAI has run become text."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.ir.parts import Opaque, Text
from antigravity.protocols.openai_responses.function_forms import as_functions
from tests.protocols.openai_responses.builders import decode

MCP = {"type": "mcp_call", "name": "find", "server_label": "docs", "arguments": '{"q":1}'}


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({**MCP, "output": "found"}, 'Call of the tool find of docs: {"q":1}\nfound'),
        ({**MCP, "output": None}, 'Call of the tool find of docs: {"q":1}'),
        (
            {**MCP, "error": {"type": "http_error", "message": "gone"}},
            'Call of the tool find of docs: {"q":1}\nIt failed: gone',
        ),
        ({**MCP, "error": "gone"}, 'Call of the tool find of docs: {"q":1}\nIt failed: gone'),
        ({**MCP, "error": {}, "output": "x"}, 'Call of the tool find of docs: {"q":1}\nx'),
        (
            {
                "type": "code_interpreter_call",
                "code": "print(1)",
                "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": "x"}],
            },
            "Program:\nprint(1)\nOutput:\n1",
        ),
        (
            {"type": "code_interpreter_call", "code": None, "outputs": None},
            "Program:\n\nOutput:",
        ),
        (
            {
                "type": "file_search_call",
                "queries": ["a", "b"],
                "results": [{"filename": "f.txt", "text": "t"}, "odd"],
            },
            "File search: a, b\n- f.txt: t",
        ),
        ({"type": "file_search_call", "queries": None, "results": None}, "File search: "),
    ],
)
def test_calls_of_hosted_tools_become_text(item: dict[str, Any], text: str) -> None:
    forms = as_functions(decode({"input": [item, item]}))
    assert forms is not None
    (message,) = forms.request.messages
    assert message.role == "assistant"
    assert message.parts == (Text(text), Text(text))
    assert [loss.field for loss in forms.losses] == [f"messages.{item['type']}"]


def test_other_items_stay() -> None:
    request = decode({"input": [{"type": "mcp_list_tools", "server_label": "docs", "tools": []}]})
    assert as_functions(request) is None
    assert isinstance(request.messages[0].parts[0], Opaque)
