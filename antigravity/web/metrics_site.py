"""A site that serves the page with metrics, and nothing else, without a key."""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity.interfaces.metrics import IMetrics
from antigravity.logs import make_logger

#: Seconds after which a connection without requests is closed.
_TIMEOUT: Final = 60.0
_PATH: Final = b"/metrics"


class MetricsSite(Site):
    """Serves ``GET /metrics``."""

    noisy = False

    def __init__(self, reactor: Any, metrics: IMetrics) -> None:
        page = _MetricsPage(metrics)
        super().__init__(page, timeout=_TIMEOUT, reactor=reactor, parsePOSTFormSubmission=False)

    def log(self, request: Any) -> None:
        """Log nothing: there are requests every few seconds."""


class _MetricsPage(Resource):
    log = make_logger()

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, metrics: IMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def render_GET(self, request: Any) -> Any:
        """Write the page when it is there; HEAD requests come here, too."""
        if request.path != _PATH:
            request.setResponseCode(404)
            request.setHeader("Content-Type", "text/plain")
            return b"There is only /metrics here.\n"
        page = self._metrics.render()
        request.notifyFinish().addErrback(lambda _: page.cancel())
        page.addCallback(self._write, request).addErrback(self._failed, request)
        return NOT_DONE_YET

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
