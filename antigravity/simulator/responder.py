"""Respond to a view: build the script, encode it, deliver it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from antigravity.simulator.encoders.events import Context
from antigravity.simulator.errors import Headers, HttpResponse, context_length_error
from antigravity.simulator.script import Script
from antigravity.simulator.script_builder import build_script
from antigravity.simulator.state import State
from antigravity.simulator.stream import Clock, StreamPlan, StreamWriter, cut_before, plan_stream
from antigravity.simulator.view import View, compact
from antigravity.simulator.wire_formats import WireFormat

#: What a route can return to Klein.
Result = bytes | Deferred[None]


def send(request: Request, response: HttpResponse) -> bytes:
    """Set status and headers, and return the body."""
    request.setResponseCode(response.status)
    _set_headers(request, (("content-type", "application/json"), *response.headers))
    body = compact(response.body).encode()
    request.setHeader(b"content-length", b"%d" % len(body))
    return body


def _set_headers(request: Request, headers: Headers) -> None:
    for name, value in headers:
        request.setHeader(name.encode("ascii"), value.encode("latin-1"))


#: The body of ``[[form page]]``, as a proxy might send.
PAGE: Final = b"<!DOCTYPE html><html><body>Welcome to the simulator.</body></html>"


class Responder:
    """Responds to requests, and can stop all responses in progress."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._writers: set[StreamWriter] = set()

    def stop(self) -> None:
        """Stop all responses in progress."""
        for writer in list(self._writers):
            writer.stop()
        self._writers.clear()

    def skip_delays(self) -> None:
        """End the delays of all responses in progress."""
        for writer in list(self._writers):
            writer.skip_delays()

    def respond(
        self,
        request: Request,
        wire_format: WireFormat,
        view: View,
        stream: bool,
        key: str,
        headers: Headers = (),
        done: Callable[[Script, Context], None] = lambda *_: None,
    ) -> Result:
        """Respond to ``view``, with a whole response or a stream.

        :param key: identifies the account: an API key, or a refresh token.
        :param done: called with the script before the response is sent.
        :raises ApiError: if the script is an error, the account fails, or the prompt is too long.
        """
        fault = self._state.admit(key)
        window = self._state.windows.get(view.model)
        if window is not None and (tokens := view.count_tokens()) > window:
            raise context_length_error(wire_format.render_error, tokens, window)
        number = self._state.next_number()
        context = Context(view, number, int(self._clock.seconds()))
        ids = iter(range(100))
        script = build_script(
            view,
            lambda: context.id(wire_format.call_prefix, next(ids)),
            self._state.count_failure,
            self._state.rules,
        )
        if fault is not None:
            script = replace(script, fault=fault, late_error=None)
        if script.late_error is not None and not stream:
            raise script.late_error
        done(script, context)
        self._state.stats.answered += 1
        if script.form == "page":
            _set_headers(request, (("content-type", "text/html; charset=utf-8"), *headers))
            return PAGE
        if script.form in ("whole", "stream"):
            stream = script.form == "stream"
        kind = wire_format.stream_type if stream else wire_format.whole_type
        _set_headers(request, (("content-type", kind), *headers))
        if stream:
            return self._deliver(request, self._streamed(wire_format, script, context), script)
        return self._whole(request, wire_format, script, context)

    def _streamed(self, wire_format: WireFormat, script: Script, context: Context) -> StreamPlan:
        if script.fault is not None and script.fault.kind == "empty":
            return StreamPlan(())
        events = list(wire_format.encode_events(script, context))
        if script.late_error is not None:
            events = cut_before(events, script.error_after, lambda event: event.content)
            events += wire_format.encode_error(script.late_error, len(events))
        return plan_stream(wire_format.framing(events), script.fault)

    def _whole(
        self, request: Request, wire_format: WireFormat, script: Script, context: Context
    ) -> Result:
        value = wire_format.encode_response(script, context)
        body = value if isinstance(value, bytes) else compact(value).encode()
        fault = script.fault
        end = "finish"
        if fault is not None:
            if fault.kind == "empty":
                body = b""
            elif fault.kind == "garbage":
                body = body[: len(body) // 2]
            else:
                end = fault.kind
        if script.form == "gzip":
            body = gzip.compress(body)
            request.setHeader(b"content-encoding", b"gzip")
        request.setHeader(b"content-length", b"%d" % len(body))
        pause = script.ttft + script.delay * max(0, len(script.chunks) - 1)
        if end == "finish" and pause == 0:
            return body
        steps: tuple[tuple[bytes, bool], ...] = ((body, True),) if body else ()
        if end == "cut":
            steps = ((body[: len(body) // 2], True),)
        elif end == "stall":
            steps = ((b"", True),)
        return self._deliver(request, StreamPlan(steps, end), replace(script, ttft=pause))

    def _deliver(self, request: Request, steps: StreamPlan, script: Script) -> Deferred[None]:
        writer = StreamWriter(
            request, steps, self._clock, self._state.stats, script.ttft, script.delay
        )
        self._writers.add(writer)

        def forget(result: Any) -> Any:
            self._writers.discard(writer)
            return result

        return writer.run().addBoth(forget)
