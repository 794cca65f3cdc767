"""The simulator's message threads are as strict as the service's."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from antigravity.simulator.errors import ApiError
from antigravity.simulator.message_threads import MessageThreads

BETA = "message-threads-2026-08-12"
FIRST: dict[str, Any] = {
    "model": "m",
    "system": "s",
    "messages": [{"role": "user", "content": "one"}],
    "thread": {"type": "create"},
}
SECOND: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "three"}],
    "thread": {"type": "continue", "previous_message_id": "msg_1"},
}
SAID = [{"type": "text", "text": "two"}]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(clock: Clock) -> MessageThreads:
    held = MessageThreads(clock.seconds)
    held.put("msg_1", held.expand(FIRST, BETA, "k"), BETA, "k", SAID)
    return held


def refusal(threads: MessageThreads, body: Any, betas: str = BETA, key: str = "k") -> ApiError:
    with pytest.raises(ApiError) as caught:
        threads.expand(body, betas, key)
    return caught.value


def code(error: ApiError) -> str:
    found: str = error.body["error"]["details"]["error_code"]
    return found


def test_conversation_is_continued_once(threads: MessageThreads) -> None:
    body = threads.expand(SECOND, BETA, "k")
    assert [message["content"] for message in body["messages"]] == ["one", SAID, "three"]
    assert body["system"] == "s"
    threads.put("msg_2", body, BETA, "k", SAID)
    assert code(refusal(threads, SECOND)) == "thread_already_continued"


def test_thread_expires(threads: MessageThreads, clock: Clock) -> None:
    clock.advance(299)
    threads.expand(SECOND, BETA, "k")
    clock.advance(2)
    error = refusal(threads, SECOND)
    assert (error.status, code(error)) == (404, "thread_not_found")


def test_thread_belongs_to_key(threads: MessageThreads) -> None:
    assert code(refusal(threads, SECOND, key="other")) == "thread_not_found"


@pytest.mark.parametrize("change", [{"model": "n"}, {"thinking": {"type": "adaptive"}}])
def test_pinned_fields_cannot_change(threads: MessageThreads, change: Any) -> None:
    assert code(refusal(threads, {**SECOND, **change})) == "thread_fingerprint_mismatch"
    assert code(refusal(threads, SECOND, f"{BETA},x")) == "thread_fingerprint_mismatch"


@pytest.mark.parametrize(
    "change",
    [
        {"system": "s"},
        {"tools": []},
        {"thread": {"type": "continue"}},
        {"thread": {"type": "create", "previous_message_id": "msg_1"}},
        {"thread": {"type": "fork"}},
        {"thread": "create"},
    ],
)
def test_invalid_requests_are_refused(threads: MessageThreads, change: Any) -> None:
    assert refusal(threads, {**SECOND, **change}).status == 400


def test_thread_requires_its_beta(threads: MessageThreads) -> None:
    assert refusal(threads, FIRST, "").status == 400


def test_requests_without_thread_are_unchanged(threads: MessageThreads) -> None:
    assert threads.expand({"model": "m"}, "", "k") == {"model": "m"}


def test_unsupported_fields_are_named(threads: MessageThreads) -> None:
    error = refusal(threads, {**FIRST, "context_management": {"edits": []}})
    assert code(error) == "thread_unsupported_request"
    assert error.body["error"]["details"]["unsupported"] == ["context_management"]
