"""The log has the lines that Twisted writes, and only where Twisted would write them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from twisted.application.service import Application
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, textFileLogObserver
from twisted.python.failure import Failure

from antigravity.daemon.log_output import TextObserver, write_log


def event(**fields: Any) -> dict[str, Any]:
    return {"log_level": LogLevel.info, "log_namespace": "a.b", "log_format": "{x}", **fields}


def test_lines_are_those_of_twisted() -> None:
    ours, theirs = StringIO(), StringIO()
    observers = TextObserver(ours), textFileLogObserver(theirs)
    times = (0.0, 0.9, 1.0, 1_700_000_000.5, 1_700_000_000.999, 1_700_000_001, 3, None)
    for when in times:
        for observe in observers:
            observe(event(x="a\nb", log_time=when))
    for observe in observers:
        observe(event(x=1, log_time=5.0, log_failure=Failure(ValueError("why"))))
        observe(event(log_time=5.0, log_format=""))
        observe(event(log_time=5.0, log_format="plain\nwith {{braces}} and {missing}"))
        for text in ("no fields\nat all", "{{one}}", None, b"bytes"):
            observe(event(log_time=5.0, log_format=text))
        observe(event(log_time=5.0, log_format="for the system", log_system="theirs"))
        observe(event(log_time=5.0, log_format="why", log_failure=Failure(ValueError("why"))))
        observe({"log_format": "without anything"})
    assert ours.getvalue() == theirs.getvalue()
    assert ours.getvalue().count("\n") > len(times)


class Buffered(StringIO):
    """A file with the text that was flushed, and the number of its writes."""

    flushed = ""
    writes = 0
    is_broken = False

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)

    def flush(self) -> None:
        if self.is_broken:
            raise OSError(32, "Broken pipe")
        self.flushed = self.getvalue()


class Loop(Clock):
    """A reactor that can stop."""

    running = True


def line(text: str, level: Any = LogLevel.info) -> dict[str, Any]:
    return event(log_format=text, log_time=100.0, log_level=level)


def test_lines_of_a_turn_are_written_together() -> None:
    file, loop = Buffered(), Loop()
    observe = TextObserver(file, loop)
    observe(line("one"))
    assert "one" in file.flushed  # after a pause
    for text in ("two", "three"):
        observe(line(text))
    assert "two" not in file.getvalue()
    assert len(loop.getDelayedCalls()) == 1
    loop.advance(0)
    assert file.flushed == file.getvalue()
    assert file.flushed.count("\n") == 3
    assert file.writes == 2
    assert not loop.getDelayedCalls()


@pytest.mark.parametrize("level", [LogLevel.warn, LogLevel.error, LogLevel.critical])
def test_warnings_are_flushed_at_once(level: Any) -> None:
    file = Buffered()
    observe = TextObserver(file, Loop())
    for text in ("one", "two"):
        observe(line(text))
    observe(line("three", level=level))
    assert file.flushed.count("\n") == 3


@pytest.mark.parametrize("seconds", [0.5, -1.0])
def test_line_after_a_pause_is_written_at_once(seconds: float) -> None:
    file, loop = Buffered(), Loop()
    observe = TextObserver(file, loop)
    observe(line("one"))
    loop.rightNow += seconds  # a clock may be set back
    observe(line("two"))
    assert file.flushed.count("\n") == 2
    assert not loop.getDelayedCalls()


def test_lines_of_other_times_are_written_together_if_they_come_together() -> None:
    file, loop = Buffered(), Loop()
    observe = TextObserver(file, loop)
    for seconds in range(4):
        observe({**line("x"), "log_time": 100.0 + seconds})
    loop.advance(0)
    assert file.flushed.count("\n") == 4
    assert file.writes == 2


def test_waiting_lines_are_bounded() -> None:
    file = Buffered()
    observe = TextObserver(file, Loop())
    for _ in range(30):
        observe(line("x" * 10_000))
    assert len(file.flushed) > 200_000


def test_each_line_is_written_while_the_reactor_does_not_run() -> None:
    file, loop = Buffered(), Loop()
    observe = TextObserver(file, loop)
    observe(line("one"))
    observe(line("two"))  # waits for the end of a turn that does not come
    loop.running = False
    observe(line("three"))
    assert file.flushed.count("\n") == 3
    for text in ("four", "five"):
        TextObserver(file)(line(text))
    assert file.flushed.count("\n") == 5


def test_broken_pipe_at_the_end_of_a_turn_is_ignored() -> None:
    file, loop = Buffered(), Loop()
    observe = TextObserver(file, loop)
    observe(line("one"))
    observe(line("two"))
    file.is_broken = True
    loop.advance(0)
    assert not loop.getDelayedCalls()


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"nodaemon": True}, True),
        ({"nodaemon": True, "logfile": None, "syslog": 0}, True),
        ({"nodaemon": False}, False),
        ({"nodaemon": True, "logfile": "x.log"}, False),
        ({"nodaemon": True, "syslog": True}, False),
        ({"nodaemon": True, "logger": print}, False),
        ({}, False),
    ],
)
def test_log_of_other_options_is_left_to_twistd(options: dict[str, Any], written: bool) -> None:
    application: Any = Application("a")  # type: ignore[no-untyped-call]
    write_log(application, options, Clock())
    assert (ILogObserver(application, None) is not None) == written


def test_observer_of_the_application_is_kept() -> None:
    application: Any = Application("a")  # type: ignore[no-untyped-call]
    own = TextObserver(StringIO())
    application.setComponent(ILogObserver, own)
    write_log(application, {"nodaemon": True}, Clock())
    assert ILogObserver(application) is own
