"""Lines of the log: no credential, no line that somebody else has written, none without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.errors import UpstreamError
from antigravity.logs import MAX_LENGTH, make_logger, one_line
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.transport.client import HttpTransport

log = make_logger()
KEY = "sk-held-for-the-log"


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(found.append)
    CREDENTIALS.hold(log, [KEY])
    yield found
    CREDENTIALS.release(log)
    globalLogPublisher.removeObserver(found.append)


def test_values_are_one_line_without_credentials(events: list[dict[str, Any]]) -> None:
    log.warn("{said} of {who}: {n}", said=f"a\r\nb\t\x1b[31m{KEY}\u2028\u202e", who="x", n=3)
    [line] = map(formatEvent, events)
    assert line == "a\\r\\nb\\t\\x1b[31m[redacted]\\u2028\\u202e of x: 3"


def test_whole_line_and_its_values_are_clean(events: list[dict[str, Any]]) -> None:
    log.info("{line}", line=f"a {{0}} {{x}}\n{KEY}", path=f"/{KEY}", n=1)
    [event] = events
    assert formatEvent(event) == event["line"] == "a {0} {x}\\n[redacted]"
    assert (event["path"], event["n"], event["log_level"].name) == ("/[redacted]", 1, "info")
    assert event["log_namespace"] == __name__


def test_value_that_is_not_in_the_line_is_clean(events: list[dict[str, Any]]) -> None:
    log.info("{line}", line="plain", path=f"/{KEY}")
    assert events[0]["path"] == "/[redacted]"


def test_errors_as_values_are_clean(events: list[dict[str, Any]]) -> None:
    log.error("failed: {error}", error=ValueError(f"no {KEY}\nforged"))
    [line] = map(formatEvent, events)
    assert line == "failed: no [redacted]\\nforged"


def test_long_values_are_cut(events: list[dict[str, Any]]) -> None:
    log.info("{name}", name="m" * 60_000)
    [line] = map(formatEvent, events)
    assert line is not None
    assert len(line) == MAX_LENGTH + 1
    assert one_line("é" * MAX_LENGTH) == "é" * MAX_LENGTH


def test_a_traceback_holds_no_credential(events: list[dict[str, Any]]) -> None:
    try:
        raise ValueError(f"no {KEY}")
    except ValueError:
        log.failure("it failed")
    [event] = events
    assert "log_failure" not in event
    assert "no [redacted]" in (formatEvent(event) or "")
    assert "Traceback" in (formatEvent(event) or "")


def test_a_logger_is_named_after_its_module(events: list[dict[str, Any]]) -> None:
    log.info("x")
    assert events[0]["log_namespace"] == __name__


def test_sent_token_is_not_repeated_in_errors() -> None:
    transport = HttpTransport(MemoryReactorClock())  # type: ignore[no-untyped-call]
    headers = (("authorization", "Bearer ya29.fresh-token"), ("x-goog-api-key", "AIza-some-key"))
    asking = transport.send(OutgoingRequest("POST", "http://host.example/", headers))
    asking.addErrback(lambda failure: None)
    error = UpstreamError(
        "no ya29.fresh-token", param="AIza-some-key", code="ya29.fresh-token", help_url="x"
    )
    assert error.message == str(error) == "no [redacted]"
    assert (error.param, error.code) == ("[redacted]", "[redacted]")
    asking.cancel()
