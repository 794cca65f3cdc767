"""The page on headers names every header that the gateway reads for itself or writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from antigravity.accounts.sessions import SESSION_HEADERS
from antigravity.web import request_head
from antigravity.web.authentication import CREDENTIAL_HEADERS
from antigravity.web.host_policy import cors_headers
from tests.house.pages import table
from tests.support.pages import ROOT

PAGE = "docs/headers.rst"
REQUEST, SERVED, OTHER = "Header of a request", "Header of a response", "Other header"
#: The rooms that clients talk to, and files of others that read clients' headers.
ROOMS = (
    *("accounts/", "app/", "dashboard/", "exchange/", "interception/", "protocols/", "traces/"),
    *("web/", "mcp/endpoint", "mcp/protocol/", "mcp/relay/", "mcp/stateful", "upstreams/anthropic"),
)
#: Read from responses of upstreams.
FROM_UPSTREAMS = {"content-disposition", "date", "request-id"}
#: Kept from upstreams, but read by nobody.
NEVER_READ = {"proxy-authorization"}
_MAPPINGS = re.compile(r"(?:headers|framing)$")
_NAME = re.compile(r"[A-Z][A-Za-z]*(?:-[A-Za-z]+)*|x-should-retry")
_READ = re.compile(r"[A-Za-z][A-Za-z_-]*")
_METHODS = {"GET", "POST"}


def listed(head: str) -> set[str]:
    """Return the names in the first column of a table, in lower case."""
    text = (ROOT / PAGE).read_text("utf-8")
    rows = text.partition(f"   * - {head}\n")[2].partition("\n\n")[0]
    cells = re.findall(r"^   \* - (.+?)\n     - ", rows, re.MULTILINE | re.DOTALL)
    assert len(cells) == len(table(PAGE, head))
    return {name.lower() for cell in cells for name in re.findall(r"``([^`]+)``", cell)}


@cache
def sources() -> list[ast.Module]:
    package = ROOT / "antigravity"
    found = []
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).as_posix().startswith(ROOMS):
            found.append(ast.parse(path.read_text("utf-8")))
    return found


@cache
def constants() -> dict[str, str]:
    """Return the texts that have names."""
    found = {}
    for module in sources():
        for each in module.body:
            match each:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                    found[name] = value
    return found


def text_of(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.Name(id=name):
            return constants().get(name, "")
    return ""


def are_headers(node: ast.expr) -> bool:
    return _MAPPINGS.search(ast.unparse(node)) is not None


def read_names() -> Iterator[str]:
    """Yield the names that the code looks up in headers."""
    for module in sources():
        for node in ast.walk(module):
            match node:
                case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[name, *_]):
                    if are_headers(value):
                        yield text_of(name)
                case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[value]):
                    if are_headers(value):
                        yield text_of(name)
                case ast.Subscript(value=value, slice=name):
                    if are_headers(value):
                        yield text_of(name)
                case ast.Call(func=ast.Name(id="_field"), args=[_, name]):
                    yield text_of(name)


def written_names() -> Iterator[str]:
    """Yield the names of pairs of a header and its value."""
    for module in sources():
        for node in ast.walk(module):
            match node:
                case ast.Tuple(elts=[name, _]) if _NAME.fullmatch(text_of(name)):
                    yield text_of(name)


def test_every_header_that_is_read_is_listed() -> None:
    known = listed(REQUEST)
    read = {name.lower() for name in read_names() if _READ.fullmatch(name)} - FROM_UPSTREAMS
    assert len(read) > 20
    assert read <= known
    assert {*SESSION_HEADERS, *CREDENTIAL_HEADERS} - NEVER_READ <= known
    assert known >= request_head._FRAMING | request_head._FORWARDED | request_head._READ
    assert {each.rstrip("-") for each in request_head._FORWARDED_PREFIXES} <= {
        name.rstrip("-") for name in known
    }


def test_every_header_that_is_written_is_listed() -> None:
    known = listed(SERVED) | listed(OTHER)
    written = {name.lower() for name in written_names() if name not in _METHODS}
    assert len(written) > 40
    assert written <= known


def test_listed_headers_exist() -> None:
    code = "\n".join(
        path.read_text("utf-8").lower() for path in (ROOT / "antigravity").rglob("*.py")
    )
    for name in listed(REQUEST) | listed(SERVED) | listed(OTHER):
        assert name.replace("mcp-param-name", "mcp-param-") in code, name


def test_web_pages_can_read_how_a_request_was_served() -> None:
    exposed = dict(cors_headers("https://app.example"))["Access-Control-Expose-Headers"]
    hidden = {"x-account-email"}  # pages never learn which account served them
    assert listed(SERVED) - hidden == set(exposed.lower().split(", ")) - {"mcp-session-id"}
