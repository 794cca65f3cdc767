"""The page on errors lists every kind and every code, as the code has them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from antigravity.exchange.attempts.retry import GIVE_UP, next_step
from antigravity.ir import errors
from antigravity.ir.errors import GatewayError, QuotaExhaustedError, UnreadablePartError
from antigravity.plugins import PluginHost
from antigravity.transport.deadlines import Limit
from tests.house.pages import table
from tests.support.pages import ROOT, blocks

PAGE = "docs/errors.rst"
TEXT = (ROOT / PAGE).read_text("utf-8")
#: Rooms whose errors do not reach clients of the gateway.
ELSEWHERE = ("cli", "simulator")


def classes() -> Mapping[str, type[GatewayError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, GatewayError) and value is not GatewayError
    }


def example(kind: type[GatewayError]) -> GatewayError:
    if kind is UnreadablePartError:
        return UnreadablePartError("It failed.", value="file_1", param="input", code="unreadable")
    if kind is errors.FaultyEndError:
        return errors.FaultyEndError("It failed.", native="MALFORMED")
    return kind("It failed.")


@cache
def servers() -> dict[str, Any]:
    host = PluginHost()
    host.load(installed=False)
    return {**host.registry.servers, **host.registry.embedding_servers}


def encoded(error: GatewayError) -> dict[str, dict[str, Any]]:
    """Return the body of an error in each protocol."""
    return {n: json.loads(each.encode_error(error, "req_…").body) for n, each in servers().items()}


def test_table_of_kinds_is_complete() -> None:
    listed = {row[0]: int(row[1]) for row in table(PAGE, "Error")}
    assert listed == {name: kind.status for name, kind in classes().items()}


@pytest.mark.parametrize("name", classes())
def test_table_says_whether_gateway_retries(name: str) -> None:
    (row,) = (row for row in table(PAGE, "Error") if row[0] == name)
    step = next_step(example(classes()[name]), 1, repaired=False, luck=0.5)
    assert row[2] == ("no" if step == GIVE_UP else "yes")


def test_names_in_protocols_match_table() -> None:
    rows = table(PAGE, "Status")
    assert {int(row[0]) for row in rows} == {kind.status for kind in classes().values()}
    for status, openai, anthropic, gemini, interactions in rows:
        kind = next(kind for kind in classes().values() if kind.status == int(status))
        said = encoded(example(kind))
        assert {said[n]["error"]["type"] for n in said if n.startswith("openai")} == {openai}
        assert said["anthropic"]["error"]["type"] == anthropic
        for name in ("gemini", "imagen", "gemini_embeddings"):
            error = said[name]["error"]
            assert (error["status"], error["code"]) == (gemini, int(status))
        assert said["gemini_interactions"]["error"]["code"] == interactions


def test_examples_are_what_clients_get() -> None:
    error = QuotaExhaustedError("…", code="quota_exhausted", retry_after=90)
    said = encoded(error)
    shown = [json.loads(block) for block in blocks(PAGE, "json")]
    assert shown == [said["openai_chat"], said["anthropic"], said["gemini"]]
    assert all(said[n] == shown[0] for n in said if n.startswith("openai"))


class Found(ast.NodeVisitor):
    """Codes of errors in the package, each with its status."""

    def __init__(self) -> None:
        self.bases: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.calls: list[tuple[str, ast.expr]] = []
        self.inside = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bases.update((node.name, base.id) for base in node.bases if isinstance(base, ast.Name))
        self.inside = node.name
        self.generic_visit(node)

    def visit_Module(self, node: ast.Module) -> None:
        for each in node.body:
            match each:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                    self.constants[name] = value
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        made = re.search(r"(\w+Error)\b|super\(\)", ast.unparse(node.func))
        for keyword in node.keywords:
            if made and keyword.arg == "code":
                self.calls.append((made[1] or self.inside, keyword.value))
        self.generic_visit(node)

    def status(self, name: str) -> int:
        while name not in vars(errors):
            name = self.bases[name]
        kind: type[GatewayError] = getattr(errors, name)
        return kind.status

    def codes(self) -> Iterator[tuple[str, int]]:
        for name, value in self.calls:
            match value:
                case ast.Constant(value=str(code)):
                    yield code, self.status(name)
                case ast.Name(id=constant) if constant in self.constants:
                    yield self.constants[constant], self.status(name)


def test_tables_of_codes_are_complete() -> None:
    found = Found()
    package = ROOT / "antigravity"
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in ELSEWHERE:
            found.visit(ast.parse(path.read_text("utf-8")))
    known = {code: status for code, status in found.codes() if code == "plugin_failed"}
    assert known, "the search finds nothing"
    listed = {
        (code, int(status))
        for code, statuses, _ in chain(table(PAGE, "Code"), table(PAGE, "Code of administration"))
        for status in statuses.split(" or ")
    }
    assert listed == set(found.codes())


def test_codes_of_limits_are_listed() -> None:
    for limit in get_args(Limit):
        assert f"``{limit}_timeout``" in TEXT
    source = (ROOT / "antigravity/protocols/request_limits.py").read_text("utf-8")
    kinds = re.findall(r'_too_many\(\w+, "([a-z ]+)"', source)
    assert len(kinds) > 3
    for kind in (*kinds, "messages"):
        assert f"``too_many_{kind.replace(' ', '_')}``" in TEXT


@pytest.mark.parametrize("sdk", ["openai.OpenAI", "anthropic.Anthropic"])
def test_sdks_retry_as_described(sdk: str) -> None:
    assert "408, 409, 429 and each status from 500 on, twice" in TEXT
    module, _, name = sdk.partition(".")
    client = getattr(pytest.importorskip(module), name)(api_key="sk-local")
    assert client.max_retries == 2
    for kind in classes().values():
        response = SimpleNamespace(status_code=kind.status, headers={})
        assert client._should_retry(response) is (kind.status in (409, 429) or kind.status >= 500)
    operator = SimpleNamespace(status_code=503, headers={"x-should-retry": "false"})
    assert client._should_retry(operator) is False
