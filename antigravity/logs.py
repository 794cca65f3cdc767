"""The logger of all modules: values in log lines cannot hold credentials or control a terminal.

Credentials in use are removed from every value, control characters are written as escapes, and
a value is cut after :data:`MAX_LENGTH` characters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from time import time
from typing import Any, Final, Literal

import txaio.tx
from twisted.logger import Logger
from twisted.python.failure import Failure
from txaio.interfaces import log_levels
from txaio.tx import get_global_log_level

from antigravity.redaction.credentials import CREDENTIALS

#: The maximum length of one value in characters.
MAX_LENGTH: Final = 4000
#: Line ends, control characters, lone surrogates, and characters that change the writing direction.
_CONTROLS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: The format of an event whose whole text is its value ``line``.
_LINE: Final = "{line}"
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def one_line(text: str) -> str:
    """Return ``text`` on one line, without credentials, cut after :data:`MAX_LENGTH`."""
    cut = len(text) > MAX_LENGTH
    text = CREDENTIALS.redact(text[: 4 * MAX_LENGTH])
    text = _CONTROLS.sub(_escaped, text)
    return f"{text[:MAX_LENGTH]}…" if cut or len(text) > MAX_LENGTH else text


def _is_clean(texts: Iterable[str]) -> bool:
    """Return whether :func:`one_line` would change none of the texts.

    Texts with backslashes are not clean, because they may hold JSON, which is parsed separately.
    """
    text = " ".join(texts)
    return (
        len(text) <= MAX_LENGTH
        and "\\" not in text
        and (text.isprintable() or _CONTROLS.search(text) is None)
        and CREDENTIALS.redact(text) is text
    )


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class CleanLogger(Logger):
    """A logger that passes the texts of its events through :func:`one_line`."""

    def emit(self, level: Any, format: str | None = None, **kwargs: object) -> None:  # noqa: A002
        """Emit an event; see :class:`twisted.logger.Logger`."""
        if format == _LINE:
            self._emit_line(level, kwargs)
            return
        texts = {name: value for name, value in kwargs.items() if isinstance(value, str)}
        for name, value in kwargs.items():
            if isinstance(value, BaseException) and not isinstance(value, Failure):
                kwargs[name] = texts[name] = str(value)
        if texts and not _is_clean(texts.values()):
            kwargs.update({name: one_line(text) for name, text in texts.items()})
        failure = kwargs.get("log_failure")
        if isinstance(failure, Failure):
            traceback = failure.getTraceback()
            if CREDENTIALS.redact(traceback) is not traceback:
                del kwargs["log_failure"]
                kwargs["traceback"] = CREDENTIALS.redact(traceback)
                format = f"{format}\n{{traceback}}"  # noqa: A001
        super().emit(level, format, **kwargs)

    def _emit_line(self, level: Any, event: dict[str, Any]) -> None:
        """Emit an event about a request, whose values besides ``line`` are texts or numbers.

        Each request has some, and observers that write text would format them slowly.
        """
        line = event["line"]
        others = [each for each in event.values() if isinstance(each, str) and each not in line]
        if not _is_clean((line, *others)):
            cleaned = {name: one_line(v) for name, v in event.items() if isinstance(v, str)}
            event.update(cleaned)
            line = event["line"]
        if "{" in line or "}" in line:
            line = line.replace("{", "{{").replace("}", "}}")
        event.update(
            log_logger=self,
            log_level=level,
            log_namespace=self.namespace,
            log_source=self.source,
            log_format=line,
            log_time=time(),
        )
        self.observer(event)


def is_logged(level: Literal["debug", "info", "warn"]) -> bool:
    """Return whether events of a level are written, so that it is worth making them."""
    return log_levels.index(get_global_log_level()) >= log_levels.index(level)


def make_logger() -> Any:
    """Return a logger named after the module or class that calls this."""
    frame = sys._getframe(1)
    name = frame.f_globals["__name__"]
    if frame.f_code.co_name != "<module>":
        name = f"{name}.{frame.f_code.co_name}"
    return txaio.tx.Logger(namespace=name, logger=CleanLogger)
