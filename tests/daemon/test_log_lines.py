"""The log of a process reaches the log of another one as it was."""

from __future__ import annotations

import io
from typing import Any

import pytest
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from antigravity.daemon.log_lines import LineObserver, LinePublisher


class Log:
    """All events that are published while it observes."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.events.append(dict(event))

    @property
    def texts(self) -> list[str]:
        return [formatEvent(event) for event in self.events]


@pytest.fixture
def log() -> Any:
    found = Log()
    globalLogPublisher.addObserver(found)
    yield found
    globalLogPublisher.removeObserver(found)


def written(**event: Any) -> bytes:
    file = io.StringIO()
    LineObserver(file)({"log_time": 12.5, "log_level": LogLevel.warn, **event})
    return file.getvalue().encode()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"log_format": "plain"}, "plain"),
        ({"log_format": "{n} of {m}", "n": 1, "m": "{x}"}, "1 of {x}"),
        ({"log_format": "GET /{{path}} 200"}, "GET /{path} 200"),
        ({"log_format": "two\nlines ü"}, "two\nlines ü"),
        ({"log_format": "lone \udc80"}, "lone \\udc80"),
    ],
)
def test_event_keeps_text_time_level_and_namespace(
    log: Log, event: dict[str, Any], text: str
) -> None:
    line = written(log_namespace="antigravity.x", **event)
    assert line.count(b"\n") == 1
    LinePublisher("worker 1").feed(line)
    assert log.texts == [text]
    (found,) = log.events
    assert (found["log_time"], found["log_level"]) == (12.5, LogLevel.warn)
    assert found["log_namespace"] == "antigravity.x"


def test_failure_has_its_traceback(log: Log) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = written(log_format="it failed", log_failure=Failure())
    LinePublisher("worker 1").feed(line)
    assert "it failed" in log.texts[0]
    assert "ValueError: broken" in log.texts[0]


def test_lines_may_come_in_pieces(log: Log) -> None:
    data = written(log_format="first") + written(log_format="second")
    publisher = LinePublisher("worker 1")
    for number in range(len(data)):
        publisher.feed(data[number : number + 1])
    assert log.texts == ["first", "second"]


def test_other_output_is_kept_with_a_name(log: Log) -> None:
    publisher = LinePublisher("worker 1")
    publisher.feed(b'printed\n["wrong"]\n\n')
    publisher.feed_errors(b"Fatal Python error: {Segmentation fault}\n")
    assert log.texts == [
        "worker 1: printed",
        'worker 1: ["wrong"]',
        "worker 1: Fatal Python error: {Segmentation fault}",
    ]
    assert log.events[2]["log_level"] == LogLevel.error


def test_line_without_end_is_bounded(log: Log) -> None:
    publisher = LinePublisher("worker 1")
    for _ in range(10):
        publisher.feed_errors(b"x" * 100_000)
    assert len(log.events) == 3
