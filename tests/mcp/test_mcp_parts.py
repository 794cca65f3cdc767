"""The parts that know no clients: catalogs, schemas, addresses, logs of events, sealed state."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.mcp import (
    IMcpCatalog,
    IMcpContext,
    IMcpPrompt,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTool,
)
from antigravity.interfaces.mcp_values import (
    Audio,
    Contents,
    Embedded,
    Image,
    McpError,
    ResourceLink,
    Text,
    ToolResult,
)
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.checks import check_tool
from antigravity.mcp.context import CallContext
from antigravity.mcp.function_objects import Prompt, Resource, Template, Tool
from antigravity.mcp.post_response import AcceptedTypes, parse_accept
from antigravity.mcp.protocol import content, sealed_state, uri_templates
from antigravity.mcp.protocol.event_log import EventLog, parse_event_id
from antigravity.mcp.protocol.revisions import REVISIONS
from antigravity.mcp.protocol.schemas import SchemaError, Validator
from antigravity.mcp.registry import McpRegistry

NEWEST = REVISIONS["2026-07-28"]
OLDEST = REVISIONS["2024-11-05"]


def tool(name: str, **fields: Any) -> Tool:
    return Tool(name, "", lambda arguments, context: None, **fields)


def test_objects_provide_their_interfaces() -> None:
    verifyObject(IMcpTool, tool("t"))
    verifyObject(IMcpPrompt, Prompt("p", "", lambda a, c: ""))
    verifyObject(IMcpResource, Resource("u:r", "r", lambda u, c: ""))
    verifyObject(IMcpResourceTemplate, Template("u:{x}", "r", lambda u, a, c: ""))
    verifyObject(IMcpCatalog, Catalog())
    assert IMcpContext.implementedBy(CallContext)


# -- catalogs --


def test_registry_prefixes_names_with_namespace() -> None:
    own, other = Catalog(), Catalog("remote")
    registry = McpRegistry([own, other])
    first, second = tool("search"), tool("search")
    own.add_tool(first)
    other.add_tool(second)
    assert registry.tools() == {"search": first, "remote__search": second}


def test_registry_uses_first_of_two_equal_names() -> None:
    first, second = Catalog("a"), Catalog("a")
    mine, theirs = Resource("u:x", "x", lambda u, c: ""), Resource("u:x", "x", lambda u, c: "")
    registry = McpRegistry([first, second])
    first.add_resource(mine)
    second.add_resource(theirs)
    assert registry.resources() == {"u:x": mine}
    registry.remove(first)
    assert registry.resources() == {"u:x": theirs}


def test_catalog_rejects_invalid_names() -> None:
    for name in ("", "a b", "ä", "a" * 129):
        with pytest.raises(ValueError, match="not a valid"):
            Catalog().add_tool(tool(name))
    for namespace in ("a__b", "_a", "a_", "a b", "-"):
        with pytest.raises(ValueError, match="not a valid namespace"):
            Catalog(namespace)
    catalog = Catalog("a_b.c-d")
    catalog.add_tool(tool("x"))
    with pytest.raises(ValueError, match="taken"):
        catalog.add_tool(tool("x"))


def test_registry_announces_visible_changes_only() -> None:
    told: list[str] = []
    registry = McpRegistry([Catalog()])
    registry.watch(lambda change: told.append(change.kind))
    same, more = Catalog(), Catalog()
    registry.replace([same])
    assert told == []
    more.add_tool(tool("new"))
    registry.replace([more])
    assert told == ["tools"]
    same.add_tool(tool("x"))  # nobody offers it any more
    assert told == ["tools"]


def test_check_tool_rejects_other_task_support() -> None:
    with pytest.raises(ValueError, match="task_support of t"):
        check_tool(Tool("t", "", lambda a, c: None, task_support="required"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": "object", "properties": 5},
        {"type": "object", "$schema": "https://example.com/none"},
        {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "a b"}}},
        {
            "type": "object",
            "properties": {
                "a": {"type": "string", "x-mcp-header": "A"},
                "b": {"type": "string", "x-mcp-header": "a"},
            },
        },
    ],
)
def test_check_tool_rejects_invalid_schemas(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_tool(tool("t", input_schema=schema))


# -- schemas --


def test_validator_never_fetches_remote_schema() -> None:
    validator = Validator({"type": "object", "$ref": "http://127.0.0.1:1/schema"})
    with pytest.raises(SchemaError, match="reference"):
        validator.problems({})


def test_validator_distinguishes_drafts() -> None:
    draft7 = Validator(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": [{"type": "string"}],
        }
    )
    assert "$[0]" in draft7.problems([5])
    newest = Validator({"prefixItems": [{"type": "string"}]})
    assert "$[0]" in newest.problems([5])
    assert newest.problems(["x"]) == ""


def test_validator_limits_length_of_problems() -> None:
    problems = Validator({"items": {"type": "string"}}).problems([1] * 100)
    assert [f"$[{number}]" in problems for number in range(4)] == [True, True, True, False]
    assert len(Validator({"const": "x"}).problems("y" * 10_000)) < 1000


# -- addresses --


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("test://{id}/data", "test://12/data", {"id": "12"}),
        ("test://{id}/data", "test://1/2/data", None),
        ("test://{id}", "test://a%20b", {"id": "a b"}),
        ("file:///{+path}", "file:///a/b.txt", {"path": "a/b.txt"}),
        ("a.b/{x}", "aXb/1", None),
    ],
)
def test_template_match_returns_values(template: str, uri: str, values: object) -> None:
    assert uri_templates.match(template, uri) == values


@given(
    st.lists(st.sampled_from(["x", "/", "xy", "{a}", "{+b}", "{c}", "{+d}"]), unique=True),
    st.text("xy/", max_size=10),
)
def test_template_matches_like_regular_expression(pieces: list[str], uri: str) -> None:
    kinds = {"": "[^/]+", "+": ".+"}
    wanted = re.sub(r"{(\+?)(.)}", lambda m: f"(?P<{m[2]}>{kinds[m[1]]})", "".join(pieces))
    found = re.fullmatch(wanted, uri)
    values = None if found is None else found.groupdict()
    assert uri_templates.match("".join(pieces), uri) == values


@pytest.mark.parametrize("template", ["x://{+a}{+b}{+c}{+d}{+e}!", "x://{a}-{b}-{c}-{d}-{e}!"])
def test_ambiguous_template_matches_in_linear_time(template: str) -> None:
    began = time.process_time()
    assert uri_templates.match(template, "x://" + "-" * 4000 + "?!") is not None
    assert uri_templates.match(template, "x://" + "-" * 4000 + "!?") is None
    assert time.process_time() - began < 1


def test_validator_reports_too_deep_value() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}
    schema["$defs"] = {"a": {"anyOf": [{"type": "integer"}, {"items": {"$ref": "#/$defs/a"}}]}}
    assert "deeply" in Validator(schema).problems({"a": deep})
    endless = Validator({"type": "object", "allOf": [{"$ref": "#"}]})
    assert "deeply" in endless.problems({})


def test_state_binding_rejects_too_deep_arguments() -> None:
    deep: Any = 1
    for _ in range(100_000):  # how deep C code goes depends on the version of Python
        deep = [deep]
    with pytest.raises(McpError, match="deeply"):
        sealed_state.about("tools/call", {"name": "x", "arguments": {"a": deep}})


@pytest.mark.parametrize(
    "template",
    ["{a,b}", "{?q}", "{x}{x}", "{", "{a-b}", "-".join(f"{{a{n}}}" for n in range(17))],
)
def test_invalid_template_is_rejected(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        uri_templates.check_template(template)


# -- content --


def test_content_unknown_to_revision_becomes_text() -> None:
    sound, link = Audio(b"x", "audio/wav"), ResourceLink("u:x", "x", "The X")
    assert content.block(sound, NEWEST) == {
        "type": "audio",
        "data": "eA==",
        "mimeType": "audio/wav",
    }
    assert content.block(link, NEWEST)["type"] == "resource_link"
    for one in (sound, link):
        assert content.block(one, OLDEST)["type"] == "text"


@pytest.mark.parametrize(
    ("value", "types"),
    [
        (None, []),
        ("x", ["text"]),
        (Image(b"x", "image/png"), ["image"]),
        ((Text("x"), Embedded(Contents(b"x", "u:x"))), ["text", "resource"]),
        (["x", {"type": "custom"}], ["text", "custom"]),
        (ToolResult((Text("x"),), is_error=True), ["text"]),
    ],
)
def test_tool_result_is_encoded_by_type(value: Any, types: list[str]) -> None:
    found = content.encode_tool_result(content.tool_result(value, has_schema=False), NEWEST)
    assert [one["type"] for one in found["content"]] == types


@pytest.mark.parametrize("value", [5, b"x", object(), [5]])
def test_tool_result_of_other_type_raises_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        content.encode_tool_result(content.tool_result(value, has_schema=False), NEWEST)


# -- logs of events --


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=60), st.booleans()), max_size=60))
def test_event_log_is_bounded_and_keeps_responses(entries: list[tuple[bytes, bool]]) -> None:
    log = EventLog("1", limit=200)
    for data, spare in entries:
        log.append(data, expendable=spare)
    kept = log.after(0)
    numbers = [number for number, _ in kept]
    assert numbers == sorted(numbers)
    answers = [number for number, (_, spare) in enumerate(entries, 1) if not spare]
    assert set(answers) <= set(numbers)
    spared = sum(len(data) for number, data in kept if number not in answers)
    assert spared <= 200


@given(st.text())
def test_event_id_is_parsed_or_rejected(text: str) -> None:
    found = parse_event_id(text)
    if found is not None:
        assert text.strip().endswith(f"{found[0]}-" + text.strip().rpartition("-")[2])


# -- sealed state --


def test_sealed_state_expires() -> None:
    now = [0.0]
    sealer = sealed_state.StateSealer(b"k" * 32, lambda: now[0], ttl=60)
    sealed = sealer.seal({"a": 1}, "alice", b"about")
    assert sealer.open(sealed, "alice", b"about") == {"a": 1}
    now[0] = 61
    with pytest.raises(McpError):
        sealer.open(sealed, "alice", b"about")


@given(st.one_of(st.text(), st.binary().map(lambda b: b.hex()), st.none(), st.integers()))
def test_foreign_state_is_rejected(text: object) -> None:
    sealer = sealed_state.StateSealer(b"k" * 32, lambda: 0.0)
    with pytest.raises(McpError):
        sealer.open(text, "", b"")


def test_too_large_state_is_rejected() -> None:
    with pytest.raises(McpError):
        sealed_state.StateSealer(b"k" * 32, lambda: 0.0).seal({"a": "x" * 2**21}, "", b"")


# -- what clients accept --


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("application/json, text/event-stream", (True, True)),
        ("text/event-stream;q=0.9,Application/JSON", (True, True)),
        ("*/*", (True, True)),
        ("application/json", (True, False)),
        ("text/event-stream", (False, True)),
        ("text/html", (False, False)),
    ],
)
def test_accept_header_is_parsed(header: str, wanted: tuple[bool, bool]) -> None:
    assert parse_accept({"accept": header}) == AcceptedTypes(*wanted)
