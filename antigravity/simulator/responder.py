"""The way from a view to bytes on the wire: the script, its pauses and its faults."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from antigravity.simulator.encoders.events import Context
from antigravity.simulator.errors import Answer, Headers, too_long
from antigravity.simulator.script import Script
from antigravity.simulator.script_builder import write_script
from antigravity.simulator.state import State
from antigravity.simulator.stream import Clock, Plan, StreamWriter, plan, until
from antigravity.simulator.view import View, compact
from antigravity.simulator.wire_formats import Dialect

#: What a route may return to Klein.
Result = bytes | Deferred[None]


def send(request: Request, answer: Answer) -> bytes:
    """Set status and headers, and return the body."""
    request.setResponseCode(answer.status)
    _set_headers(request, (("content-type", "application/json"), *answer.headers))
    body = compact(answer.body).encode()
    request.setHeader(b"content-length", b"%d" % len(body))
    return body


def _set_headers(request: Request, headers: Headers) -> None:
    for name, value in headers:
        request.setHeader(name.encode("ascii"), value.encode("latin-1"))


#: What a proxy, or a wrong path, answers with.
PAGE: Final = b"<!DOCTYPE html><html><body>Welcome to the simulator.</body></html>"


class Responder:
    """Answers requests; knows which answers are under way, so that they can be stopped."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._writers: set[StreamWriter] = set()

    def stop(self) -> None:
        """Break off what is under way."""
        for writer in list(self._writers):
            writer.stop()
        self._writers.clear()

    def run(
        self,
        request: Request,
        dialect: Dialect,
        view: View,
        stream: bool,
        key: str,
        headers: Headers = (),
        done: Callable[[Script, Context], None] = lambda *_: None,
    ) -> Result:
        """Answer ``view``, whole or as a stream.

        :param key: stands for the account: a key, or a refresh token.
        :param done: is told what is answered, before it is.
        :raises ApiError: if the script is an error, the account fails, or the prompt is too long.
        """
        flaw = self._state.admit(key)
        window = self._state.windows.get(view.model)
        if window is not None and (tokens := view.count_tokens()) > window:
            raise too_long(dialect.error, tokens, window)
        number = self._state.next_number()
        context = Context(view, number, int(self._clock.seconds()))
        ids = iter(range(100))
        script = write_script(
            view,
            lambda: context.id(dialect.call_prefix, next(ids)),
            self._state.failed,
        )
        if flaw is not None:
            script = replace(script, fault=flaw, late_error=None)
        if script.late_error is not None and not stream:
            raise script.late_error
        done(script, context)
        self._state.stats.answered += 1
        if script.form == "page":
            _set_headers(request, (("content-type", "text/html; charset=utf-8"), *headers))
            return PAGE
        if script.form in ("whole", "stream"):
            stream = script.form == "stream"
        kind = dialect.stream_type if stream else dialect.whole_type
        _set_headers(request, (("content-type", kind), *headers))
        if stream:
            return self._deliver(request, self._streamed(dialect, script, context), script)
        return self._whole(request, dialect, script, context)

    def _streamed(self, dialect: Dialect, script: Script, context: Context) -> Plan:
        if script.fault is not None and script.fault.kind == "empty":
            return Plan(())
        events = list(dialect.events(script, context))
        if script.late_error is not None:
            events = until(events, script.error_after, lambda event: event.content)
            events += dialect.error_events(script.late_error, len(events))
        return plan(dialect.framing(events), script.fault)

    def _whole(
        self, request: Request, dialect: Dialect, script: Script, context: Context
    ) -> Result:
        value = dialect.reply(script, context)
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
        return self._deliver(request, Plan(steps, end), replace(script, ttft=pause))

    def _deliver(self, request: Request, steps: Plan, script: Script) -> Deferred[None]:
        writer = StreamWriter(
            request, steps, self._clock, self._state.stats, script.ttft, script.delay
        )
        self._writers.add(writer)

        def forget(result: Any) -> Any:
            self._writers.discard(writer)
            return result

        return writer.run().addBoth(forget)
