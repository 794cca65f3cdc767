"""The gateway's own paths: state, files, and what clients ask besides models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred

from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.files import PublishedFile
from antigravity.ir.errors import NotFoundError
from antigravity.version import VERSION
from antigravity.web.authentication import FILES_PATH
from antigravity.web.json_body import read_json
from antigravity.web.request import head_of
from antigravity.web.responses import is_closed, write_whole

#: Returns the use of the key with an id, as JSON.
KeyUsage = Callable[[str], Deferred[dict[str, Any]]]
Handler = Callable[..., Deferred[None] | None]

_ALL: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_JSON: Final = "application/json"
#: Types that browsers may show; they save files of any other type.
_IMAGES: Final = frozenset(
    f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "avif", "bmp")
)
_WELCOME: Final = f"""\
antigravity {VERSION}: one local gateway between every LLM client and every LLM provider.

Point an OpenAI client at /v1, an Anthropic or Gemini client at /.
GET /v1/models lists the models, GET /readyz says whether a request could be served now.
The dashboard is at /dashboard ("antigravity dashboard" opens it), the documentation at /docs/.
""".encode()


_DEMO_MESSAGE: Final = "DEMO: a built-in simulator serves every model."


class DetectRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /v1/models/detect``."""

    model: str


class OwnPaths:
    """The handlers of the paths that belong to no protocol and need no operator's key."""

    def __init__(
        self,
        exchange: IExchange,
        administration: IAdministration | None,
        *,
        demo: bool = False,
        key_usage: KeyUsage | None = None,
    ) -> None:
        self._key_usage = key_usage
        self._exchange = exchange
        self._administration = administration
        self._demo = demo

    def paths(self) -> Iterator[tuple[str, tuple[tuple[str, ...], Handler]]]:
        """Yield every path with its methods and handler."""
        yield "/", (("GET",), self._welcome)
        yield "/healthz", (("GET",), self._healthz)
        yield "/readyz", (("GET",), self._readyz)
        yield f"{FILES_PATH}<name>", (("GET",), self._file)
        yield "/v1/api/event_logging", (_ALL, self._discard)
        yield "/v1/api/event_logging/batch", (_ALL, self._discard)
        yield "/api/hello", (("GET", "HEAD"), self._discard)
        if self._key_usage is not None:
            yield "/v1/usage", (("GET",), self._usage)
        yield "/v1/models/detect", (("POST",), self._detect)

    def _welcome(self, request: Any) -> None:
        write_whole(request, Reply(200, "text/plain; charset=utf-8", (), _WELCOME))

    def _healthz(self, request: Any) -> None:
        write_whole(request, Reply(200, _JSON, (), b'{"status":"ok"}'))

    def _readyz(self, request: Any) -> None:
        ready = self._exchange.ready()
        state = {"ready": ready, **self._exchange.status()}
        if self._administration is not None and not self._administration.is_current():
            state["configuration_current"] = False
        if self._demo:
            state["demo"] = True
            state["message"] = _DEMO_MESSAGE
        _write_json(request, state, 200 if ready else 503)

    def _file(self, request: Any, name: str) -> Deferred[None]:
        """Serve a file that a response referred to; there is no list of files."""
        return self._exchange.published(name).addCallback(
            lambda file: None if is_closed(request) else self._write_file(request, file)
        )

    def _write_file(self, request: Any, file: PublishedFile | None) -> None:
        if file is None:
            raise NotFoundError("File not found or expired.", code="file_not_found")
        kind = file.mime_type if file.mime_type in _IMAGES else "application/octet-stream"
        headers = (
            ("Cache-Control", f"private, max-age={int(file.remaining)}"),
            ("Content-Disposition", "inline" if kind in _IMAGES else "attachment"),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        )
        write_whole(request, Reply(200, kind, headers, file.data))

    def _discard(self, request: Any) -> None:
        """Accept telemetry or a probe of Claude Code, and discard it."""
        write_whole(request, Reply(200, _JSON, (), b"{}"))

    def _usage(self, request: Any) -> Deferred[None]:
        """Tell a client what is left of the limits of its own key."""
        assert self._key_usage is not None
        return self._key_usage(head_of(request).principal).addCallback(
            lambda found: None if is_closed(request) else _write_json(request, found)
        )

    def _detect(self, request: Any) -> Deferred[None]:
        body = read_json(request, DetectRequest, '{"model": "..."}')
        return self._exchange.detect(body.model).addCallback(
            lambda found: None if is_closed(request) else _write_json(request, found)
        )


def _write_json(request: Any, value: object, status: int = 200) -> None:
    write_whole(request, Reply(status, _JSON, (), msgspec.json.encode(value)))
