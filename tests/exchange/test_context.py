"""The context of a request: its other forms, its session key, and who writes what."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import antigravity.exchange
from antigravity.config.settings import Settings
from antigravity.exchange.context import Continuation, RequestContext
from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Text
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_SERVER as PROTOCOL

MODULES = sorted(Path(antigravity.exchange.__file__).parent.rglob("*.py"))


def body(text: str = "Hi") -> bytes:
    messages = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": "m", "messages": messages})


def context(text: str = "Hi", **headers: str) -> RequestContext:
    clock = SimpleNamespace(seconds=lambda: 0.0)
    services: Any = SimpleNamespace(clock=clock)
    snapshot: Any = SimpleNamespace(settings=Settings())
    call = Call(PROTOCOL.routes[0], {}, {}, headers, body(text), principal="p")
    recorder: Any = SimpleNamespace(branch=lambda: "branch")
    made = RequestContext(services, snapshot, PROTOCOL, call, recorder)
    made.read_head()
    return made


def test_request_is_decoded_on_first_use() -> None:
    made = context()
    assert made.decoded is None
    assert made.request.model == made.head.model == "m"
    assert made.decoded is made.request


def test_other_forms_leave_context_unchanged() -> None:
    made = context()
    request = replace(made.request, user="u")
    repaired = made.with_request(request, is_repaired=True)
    expanded = made.with_history(body("Earlier"))
    pinned = made.with_continuation(Continuation("resp_1", None, False))
    assert (repaired.request, repaired.is_rewritten, repaired.is_repaired) == (request, True, True)
    assert expanded.request != made.request
    assert (expanded.is_rewritten, expanded.original_call) == (True, made.call)
    assert pinned.continuation is not None
    assert pinned.request is made.request
    assert not made.is_rewritten
    assert made.continuation is None


def test_branch_has_request_state_and_record_of_its_own() -> None:
    made = context()
    branch = made.for_branch(PROTOCOL, made.request, stream=True)
    branch.attempts.waited = 5.0
    assert branch.head.stream
    assert branch.request.stream
    assert branch.recorder == "branch"
    assert made.attempts.waited == 0.0
    assert not made.head.stream
    assert branch.session_key() == made.session_key()


def test_session_key_comes_from_header_before_text() -> None:
    named = {"session-id": "one"}
    assert context("a", **named).session_key() == context("b", **named).session_key()
    assert context("a").session_key() == context("a").session_key() != ""
    assert context("a").session_key() != context("b").session_key()


def test_session_key_does_not_decode_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    made = context()
    monkeypatch.setattr(made, "protocol", None)
    assert made.session_key()
    assert made.decoded is None


def written(tree: ast.AST) -> list[tuple[int, str]]:
    """Return what a module assigns to attributes, as line and dotted name."""
    targets: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign():
                targets += node.targets
            case ast.AugAssign() | ast.AnnAssign():
                targets.append(node.target)
    return [(each.lineno, ast.unparse(each)) for each in targets if isinstance(each, ast.Attribute)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_contexts_and_records_are_written_by_their_own_modules(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "__dict__" not in text
    for line, name in written(ast.parse(text)):
        owner = name.rpartition(".")[0].rpartition(".")[2]
        assert owner != "record" or path.stem == "recorder", f"{path}:{line}: {name}"
        assert owner not in ("context", "_context"), f"{path}:{line}: {name}"


def test_large_strings_are_moved_unread() -> None:
    made = context("x" * 200_000)
    assert len(made.outline.body) < 4096
    assert made.head.model == "m"
    changed = made.with_model("other")
    assert isinstance(changed, tuple)
    assert b"".join(changed) == body("x" * 200_000).replace(b'"m"', b'"other"')
    assert made.request.messages[0].parts[0] == Text("x" * 200_000)


def test_small_body_is_its_own_outline() -> None:
    made = context()
    assert made.outline is made.call
    assert made.with_model("other") == body().replace(b'"m"', b'"other"')


def test_error_of_large_body_names_its_own_place() -> None:
    made = context("x" * 200_000)
    made._use(replace(made.call, body=made.call.body[:-1] + b'"', memo={}))
    assert made.outline is not made.call
    with pytest.raises(InvalidRequestError, match=r"\(byte 2000\d\d\)"):
        made.read_head()
