"""What is around every handler: the admission of its requests, and the responses to its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from txaio import tx as txaio

from antigravity.deferreds import first_failure
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.logs import make_logger
from antigravity.web.admission import AdmissionPolicy
from antigravity.web.authentication import is_dashboard
from antigravity.web.key_throttle import TooManyWrongKeysError
from antigravity.web.pages import Pages
from antigravity.web.request import head_of
from antigravity.web.request_head import RequestHead
from antigravity.web.resource import Endpoint
from antigravity.web.responses import (
    DEMO_HEADERS,
    NOT_STORED,
    abort_connection,
    is_closed,
    set_common_headers,
    set_headers,
    write_reply,
    write_whole,
)

#: A handler of the gateway: it writes its response, at once or until its Deferred fires.
Handler = Callable[..., Deferred[None] | None]


class Guards:
    """The guards of the handlers of one application.

    :param pages: the dashboard, which shows its errors as pages, if it is on.
    :param demo: whether each response says that a simulator serves every model.
    """

    log = make_logger()

    def __init__(self, admission: AdmissionPolicy, pages: Pages | None, *, demo: bool) -> None:
        self._admission = admission
        self._pages = pages
        self._is_demo = demo

    def wrap(self, handler: Handler) -> Endpoint:
        """Return ``handler`` for admitted requests; its errors are written as responses."""
        errback: Callable[..., None] = self._failed  # type: ignore[assignment]

        def guarded(request: Any, **names: Any) -> Deferred[None] | None:
            head: RequestHead = request.head  # the resource has read it
            try:
                self._admit(request, head)
                done = handler(request, **names)
            except Exception:  # noqa: BLE001 - the client must get a response in any case
                return self._failed(Failure(), request, head)
            if done is None:
                return None
            request.running = done
            return done.addErrback(errback, request, head)

        return guarded

    def wrap_plugin(self, handler: Callable[..., object]) -> Callable[..., Deferred[Any]]:
        """Return a plugin's handler, which may return anything that Klein renders."""

        def guarded(request: Any, **names: Any) -> Deferred[Any]:
            head = head_of(request)
            done: Deferred[Any] = txaio.as_future(self._call_plugin, request, head, handler, names)
            request.running = done
            return done.addErrback(self._failed, request, head)

        return guarded

    def _call_plugin(
        self,
        request: Any,
        head: RequestHead,
        handler: Callable[..., object],
        names: Mapping[str, Any],
    ) -> object:
        self._admit(request, head)
        self._admission.admit_plugin(head)
        return handler(request, **names)

    def _admit(self, request: Any, head: RequestHead) -> None:
        """Admit a request, unless it was admitted before its body was read."""
        try:
            if not head.admitted:
                self._admission.admit(head)
        finally:
            set_common_headers(request, head)
            if self._is_demo:
                set_headers(request, DEMO_HEADERS)

    def for_operator(self, handler: Handler) -> Handler:
        """Check the operator's key whatever the path was: it may have been corrected."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            set_headers(request, NOT_STORED)
            self._admission.admit_operator(head_of(request))
            return handler(request, **names)

        return checked

    def for_tools(self, handler: Handler) -> Handler:
        """Check that the client's key may use tools over MCP."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            self._admission.check_endpoint(head_of(request), "mcp")
            return handler(request, **names)

        return checked

    def not_through_tunnel(self, handler: Handler) -> Handler:
        """Refuse a page to the tunnel whatever the path was: it may have been corrected."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            if head_of(request).tunnel is not None:
                raise NotFoundError("The dashboard is not available through a tunnel.")
            return handler(request, **names)

        return checked

    def _failed(self, failure: Failure, request: Any, head: RequestHead) -> Deferred[None] | None:
        failure = first_failure(failure)
        if is_closed(request):
            if not failure.check(CancelledError, GatewayError):
                self.log.failure("{where} failed", failure=failure, where=head.where)
            return None
        error = self._admission.errors.error_for(failure, head.where)
        if request.startedWriting:
            return abort_connection(request)
        clock = request.channel.site.reactor
        error, delay = self._admission.key_throttle.throttle(error, head.client, clock.seconds())
        head.quiet = isinstance(error, TooManyWrongKeysError)
        if delay:
            late = deferLater(clock, delay, lambda: None)
            request.running = late
            # one that is cancelled is refused at once, unless the client is gone
            return late.addBoth(lambda _: self._refuse(error, request, head))
        return self._refuse(error, request, head)

    def _refuse(
        self, error: GatewayError, request: Any, head: RequestHead
    ) -> Deferred[None] | None:
        if self._pages is None or is_closed(request) or not is_dashboard(head.path):
            self._write_error(error, request, head)
            return None
        shown = self._pages.render_error(error, head).addCallback(write_reply, request)
        request.running = shown
        return shown.addErrback(self._not_shown, error, request, head)

    def _not_shown(
        self, failure: Failure, error: GatewayError, request: Any, head: RequestHead
    ) -> None:
        """Write an error whose page could not be made, unless the client is gone."""
        if not failure.check(CancelledError):
            self.log.failure("{where} has no error page", failure=failure, where=head.where)
        self._write_error(error, request, head)

    def _write_error(self, error: GatewayError, request: Any, head: RequestHead) -> None:
        if not is_closed(request):
            protocol = self._admission.errors.protocol_for(head.path, head.headers, head.keys)
            write_whole(request, self._admission.errors.render(error, head.id, protocol))

    def fail_late(self, request: Any, failure: Failure) -> Deferred[None] | None:
        """Write the response to an error outside of a handler."""
        head = head_of(request)
        set_common_headers(request, head)
        return self._failed(failure, request, head)
