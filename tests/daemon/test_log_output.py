"""The log has the lines that Twisted writes, and only where Twisted would write them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from twisted.application.service import Application
from twisted.logger import ILogObserver, LogLevel, textFileLogObserver
from twisted.python.failure import Failure

from antigravity.daemon.log_output import text_observer, write_log


def event(**fields: Any) -> dict[str, Any]:
    return {"log_level": LogLevel.info, "log_namespace": "a.b", "log_format": "{x}", **fields}


def test_lines_are_those_of_twisted() -> None:
    ours, theirs = StringIO(), StringIO()
    observers = text_observer(ours), textFileLogObserver(theirs)
    times = (0.0, 0.9, 1.0, 1_700_000_000.5, 1_700_000_000.999, 1_700_000_001, 3, None)
    for when in times:
        for observe in observers:
            observe(event(x="a\nb", log_time=when))
    for observe in observers:
        observe(event(x=1, log_time=5.0, log_failure=Failure(ValueError("why"))))
        observe(event(log_time=5.0, log_format=""))
    assert ours.getvalue() == theirs.getvalue()
    assert ours.getvalue().count("\n") > len(times)


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
    write_log(application, options)
    assert (ILogObserver(application, None) is not None) == written


def test_observer_of_the_application_is_kept() -> None:
    application: Any = Application("a")  # type: ignore[no-untyped-call]
    own = text_observer(StringIO())
    application.setComponent(ILogObserver, own)
    write_log(application, {"nodaemon": True})
    assert ILogObserver(application) is own
