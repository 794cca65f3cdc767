"""Every type of tool and of input item of the Responses API, and what becomes of it elsewhere.

Sources: the types of the official SDK, and https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

Json = dict[str, Any]

#: The models behind every protocol but the Responses API.
TRANSLATED: Final = {
    "chat": "demo-openai-chat/gpt-5.1",
    "anthropic": "demo-anthropic/claude-sonnet-4-6",
    "gemini": "demo-gemini_api/gemini-3-pro-preview",
    "codeassist": "demo-codeassist/gemini-3-flash",
}
_EVERYWHERE: Final = frozenset(TRANSLATED)
_GOOGLE: Final = frozenset(("gemini", "codeassist"))
_PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
_SCHEMA: Final[Json] = {"type": "object", "properties": {"a": {"type": "string"}}}


class Sample(Struct, frozen=True):
    """A declaration, or items of a history.

    ``marks`` are texts of which one is in each request of the upstreams that ``keep`` it;
    requests of others have none of them, and a warning names ``warned``.
    """

    name: str
    wire: list[Json]
    marks: tuple[str, ...]
    keep: frozenset[str] = _EVERYWHERE
    warned: str = ""


def _tool(name: str, mark: str | tuple[str, ...], /, **wire: Any) -> Sample:
    marks = (mark,) if isinstance(mark, str) else mark
    return Sample(name, [{"type": name, **wire}], marks)


def _hosted(
    kind: str, /, *, warned: str = "", keep: frozenset[str] = frozenset(), **w: Any
) -> Sample:
    marks = ("codeExecution", "code_interpreter") if keep else (kind, f'"{kind}"')
    return Sample(kind, [{"type": kind, **w}], marks, keep, warned or kind)


def _search(kind: str) -> Sample:
    marks = ("web_search_20", "googleSearch")
    return Sample(kind, [{"type": kind}], marks, _EVERYWHERE - {"chat"}, "web_search")


TOOLS: Final = (
    _tool("function", "MARK", name="f", description="MARK", parameters=_SCHEMA, strict=False),
    _tool(
        "function",
        "MARK",
        name="f",
        description="MARK",
        parameters=_SCHEMA,
        strict=False,
        defer_loading=True,
        output_schema={"type": "object"},
        allowed_callers=["direct"],
    ),
    _tool("custom", "MARK", name="c", description="MARK"),
    _tool("custom", "MARK", name="c", description="MARK", format={"type": "text"}),
    *(
        _tool(
            "custom",
            "GRAMMAR",
            name="c",
            format={"type": "grammar", "syntax": syntax, "definition": "GRAMMAR"},
        )
        for syntax in ("lark", "regex")
    ),
    _tool(
        "namespace",
        "ns__f",
        name="ns",
        description="things",
        tools=[
            {"type": "function", "name": "f", "parameters": _SCHEMA},
            {"type": "custom", "name": "c"},
        ],
    ),
    _tool("apply_patch", "create_file"),
    _tool("shell", "max_output_length"),
    _tool("shell", "max_output_length", environment={"type": "local", "skills": []}),
    _tool("local_shell", "working_directory"),
    _tool("tool_search", "MARK", execution="client", description="MARK", parameters=_SCHEMA),
    Sample("tool_search", [{"type": "tool_search"}], ("tool_search",), frozenset(), "tool_search"),
    _search("web_search"),
    _search("web_search_2025_08_26"),
    _search("web_search_preview"),
    _hosted("shell", environment={"type": "container_auto"}),
    _hosted("file_search", vector_store_ids=["vs_1"]),
    _hosted("code_interpreter", container={"type": "auto"}, keep=_GOOGLE, warned="code_execution"),
    _hosted("computer"),
    _hosted("computer_use_preview", display_width=1, display_height=1, environment="browser"),
    _hosted("image_generation"),
    _hosted("mcp", server_label="s", server_url="https://example.com/mcp"),
    _hosted("programmatic_tool_calling"),
)


def _pair(kind: str, output: str, call: Json, result: Json, mark: str) -> Sample:
    wire = [
        {"type": kind, "call_id": "call_1", **call},
        {"type": output, "call_id": "call_1", **result},
    ]
    return Sample(kind, wire, (mark,))


def _own(*wire: Json) -> Sample:
    """Return items that only OpenAI can read."""
    kind = wire[0]["type"]
    return Sample(kind, list(wire), ("MARK",), frozenset(), kind)


def _said(**wire: Any) -> Sample:
    """Return an item of a tool that OpenAI has run, which becomes text."""
    return Sample(wire["type"], [wire], ("MARK",))


def _message(**wire: Any) -> Sample:
    return Sample("message", [{"type": "message", "role": "assistant", **wire}], ("MARK",))


def _web(action: Json) -> Sample:
    wire = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
    return Sample("web_search_call", [wire], ("MARK",), frozenset({"anthropic"}), "search")


ITEMS: Final = (
    Sample("message", [{"role": "assistant", "content": "MARK"}], ("MARK",)),
    _message(
        content=[{"type": "output_text", "text": "MARK", "annotations": []}], phase="commentary"
    ),
    _message(content=[{"type": "refusal", "refusal": "MARK"}]),
    _pair(
        "function_call",
        "function_call_output",
        {"name": "f", "arguments": "{}", "status": "completed"},
        {"output": "MARK"},
        "MARK",
    ),
    _pair(
        "function_call",
        "function_call_output",
        {"name": "f", "arguments": "{}", "namespace": "ns", "caller": {"type": "direct"}},
        {"output": [{"type": "input_text", "text": "MARK"}]},
        "MARK",
    ),
    _pair(
        "custom_tool_call",
        "custom_tool_call_output",
        {"name": "c", "input": "MARK"},
        {"output": "done"},
        "MARK",
    ),
    _pair(
        "apply_patch_call",
        "apply_patch_call_output",
        {"id": "apc_1", "status": "completed", "operation": {"type": "delete_file", "path": "x"}},
        {"status": "failed", "output": "MARK"},
        "MARK",
    ),
    _pair(
        "shell_call",
        "shell_call_output",
        {"id": "sh_1", "status": "completed", "action": {"commands": ["ls"], "timeout_ms": None}},
        {
            "max_output_length": None,
            "output": [
                {"stdout": "MARK", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
            ],
        },
        "MARK",
    ),
    Sample(
        "local_shell_call",
        [
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "call_1",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls", "-l"], "env": {}},
            },
            # The SDK's type has no `call_id` here, and the id of the call as `id`.
            {
                "type": "local_shell_call_output",
                "id": "lsh_1",
                "call_id": "call_1",
                "output": "MARK",
            },
        ],
        ("MARK",),
    ),
    _pair(
        "tool_search_call",
        "tool_search_output",
        {"execution": "client", "arguments": {"query": "MARK"}, "status": "completed"},
        {
            "execution": "client",
            "status": "completed",
            "tools": [{"type": "function", "name": "found", "parameters": _SCHEMA}],
        },
        '"found"',
    ),
    Sample(
        "tool_search_call",
        [
            {
                "type": "tool_search_call",
                "execution": "server",
                "arguments": {"paths": ["x"]},
                "status": "completed",
            },
            {
                "type": "tool_search_output",
                "execution": "server",
                "status": "completed",
                "tools": [
                    {
                        "type": "namespace",
                        "name": "ns",
                        "description": "d",
                        "tools": [{"type": "function", "name": "found", "parameters": _SCHEMA}],
                    }
                ],
            },
        ],
        ("ns__found",),
    ),
    Sample(
        "additional_tools",
        [
            {
                "type": "additional_tools",
                "role": "developer",
                "tools": [{"type": "function", "name": "more", "parameters": _SCHEMA}],
            }
        ],
        ('"more"',),
    ),
    Sample(
        "image_generation_call",
        [{"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": _PIXEL}],
        (_PIXEL[:40],),
        _EVERYWHERE - {"chat"},
        "media",
    ),
    _web({"type": "search", "query": "MARK", "sources": [{"type": "url", "url": "https://MARK"}]}),
    _web({"type": "open_page", "url": "https://MARK"}),
    _web({"type": "find_in_page", "url": "https://MARK", "pattern": "x"}),
    _own({"type": "image_generation_call", "id": "ig_MARK", "status": "failed", "result": None}),
    _said(type="file_search_call", id="fs_1", status="completed", queries=["MARK"]),
    _said(
        type="code_interpreter_call",
        id="ci_1",
        status="completed",
        container_id="x",
        code="print('MARK')",
        outputs=[],
    ),
    _own(
        {
            "type": "computer_call",
            "id": "cu_1",
            "call_id": "call_1",
            "status": "completed",
            "action": {"type": "type", "text": "MARK"},
            "pending_safety_checks": [],
        },
        {
            "type": "computer_call_output",
            "call_id": "call_1",
            "output": {
                "type": "computer_screenshot",
                "image_url": f"data:image/png;base64,{_PIXEL}",
            },
        },
    ),
    _own({"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "MARK", "tools": []}),
    _said(type="mcp_call", id="mcp_1", server_label="s", name="n", arguments="{}", output="MARK"),
    _own(
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "server_label": "s",
            "name": "MARK",
            "arguments": "{}",
        },
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    ),
    Sample(
        "configuration_update",
        [{"type": "configuration_update", "reasoning": {"effort": "low"}}],
        ('": "low"', '": "LOW"'),
    ),
    _own(
        {"type": "program", "id": "pr_1", "call_id": "call_1", "code": "MARK", "fingerprint": "f"},
        {
            "type": "program_output",
            "id": "po_1",
            "call_id": "call_1",
            "result": "MARK",
            "status": "completed",
        },
    ),
)
