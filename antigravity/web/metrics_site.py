"""A site that serves the page with metrics, and nothing else, without a key.

On a loopback port the names of the host are checked as on the gateway's own ports: a page on the
Internet could otherwise point its own name at 127.0.0.1, and read the metrics.
"""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity.config.network import is_loopback
from antigravity.interfaces.metrics import IMetrics
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger

#: Seconds after which a connection without requests is closed.
_TIMEOUT: Final = 60.0
_PATH: Final = b"/metrics"

CheckHost = Callable[[str | None], None]


class MetricsSite(Site):
    """Serves ``GET /metrics``.

    :param check_host: raises an error if a loopback port may not be used under a name.
    """

    noisy = False

    def __init__(self, reactor: Any, metrics: IMetrics, check_host: CheckHost) -> None:
        page = _MetricsPage(metrics, check_host)
        super().__init__(page, timeout=_TIMEOUT, reactor=reactor, parsePOSTFormSubmission=False)

    def log(self, request: Any) -> None:
        """Log nothing: there are requests every few seconds."""


class _MetricsPage(Resource):
    log = make_logger()

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, metrics: IMetrics, check_host: CheckHost) -> None:
        super().__init__()
        self._metrics = metrics
        self._check_host = check_host

    def render_GET(self, request: Any) -> Any:
        """Write the page when it is there; HEAD requests come here, too."""
        if request.path != _PATH:
            request.setResponseCode(404)
            request.setHeader("Content-Type", "text/plain")
            return b"There is only /metrics here.\n"
        request.setHeader("Cache-Control", "no-store")
        if problem := self._host_problem(request):
            request.setResponseCode(403)
            request.setHeader("Content-Type", "text/plain; charset=utf-8")
            return f"{problem}\n".encode()
        page = self._metrics.render()
        request.notifyFinish().addErrback(lambda _: page.cancel())
        page.addCallback(self._write, request).addErrback(self._failed, request)
        return NOT_DONE_YET

    def _host_problem(self, request: Any) -> str:
        """Return why a request is refused, ``""`` if it is not."""
        if not is_loopback(str(getattr(request.getHost(), "host", "127.0.0.1"))):
            return ""
        hosts = request.requestHeaders.getRawHeaders(b"host") or [None]
        try:
            for host in hosts:
                self._check_host(None if host is None else host.decode("latin-1"))
        except GatewayError as error:
            return error.message
        return ""

    def _write(self, page: tuple[str, bytes], request: Any) -> None:
        kind, text = page
        request.setHeader("Content-Type", kind)
        request.setHeader("Content-Length", str(len(text)))
        if request.method != b"HEAD":
            request.write(text)
        request.finish()

    def _failed(self, failure: Failure, request: Any) -> None:
        if failure.check(CancelledError):
            return  # the client is gone
        self.log.failure("the metrics cannot be written", failure=failure)
        request.setResponseCode(500)
        request.finish()
