"""The logger of all modules: what others have a say in cannot harm the log or who reads it.

Every value of a line loses credentials in use, is one line, and is not longer than
:data:`LONGEST`; what a terminal would obey is written as an escape.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

import txaio.tx
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity.redaction.credentials import CREDENTIALS

#: Characters of one value that are written at the most.
LONGEST: Final = 4000
#: What ends a line, is obeyed by a terminal, or is shown in another order.
_CONTROLS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def one_line(text: str) -> str:
    """Return ``text`` as it may stand in a log: without credentials, on one line, bounded."""
    cut = len(text) > LONGEST
    text = CREDENTIALS.redact(text[: 4 * LONGEST])
    text = _CONTROLS.sub(_escaped, text)
    return f"{text[:LONGEST]}…" if cut or len(text) > LONGEST else text


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class CleanLogger(Logger):
    """Emits events whose texts are as :func:`one_line` makes them."""

    def emit(self, level: Any, format: str | None = None, **kwargs: object) -> None:  # noqa: A002
        """Emit an event; see :class:`twisted.logger.Logger`."""
        for name, value in kwargs.items():
            if isinstance(value, str):
                kwargs[name] = one_line(value)
            elif isinstance(value, BaseException) and not isinstance(value, Failure):
                kwargs[name] = one_line(str(value))
        failure = kwargs.get("log_failure")
        if isinstance(failure, Failure):
            traceback = failure.getTraceback()
            if CREDENTIALS.redact(traceback) is not traceback:
                del kwargs["log_failure"]
                kwargs["traceback"] = CREDENTIALS.redact(traceback)
                format = f"{format}\n{{traceback}}"  # noqa: A001
        super().emit(level, format, **kwargs)


def make_logger() -> Any:
    """Return a logger for the module or the class that calls."""
    frame = sys._getframe(1)
    name = frame.f_globals["__name__"]
    if frame.f_code.co_name != "<module>":
        name = f"{name}.{frame.f_code.co_name}"
    return txaio.tx.Logger(namespace=name, logger=CleanLogger)
