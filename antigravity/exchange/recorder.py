"""Writes the record of one request; nothing else does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from typing import Any, Final, Literal

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from antigravity.exchange.log import log_exchange
from antigravity.exchange.response_headers import Headers
from antigravity.exchange.services import Services
from antigravity.interfaces.exchange import IInterruptibleStream
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.record import AttemptRecord, ExchangeRecord, RequestTimes
from antigravity.ir.usage import Usage
from antigravity.keys.gate import KeyAdmission
from antigravity.routing.decision import RoutingDecision, RoutingOption

#: What a running request does now; each is a field of :class:`RequestTimes`.
Phase = Literal["queue", "translation", "upstream"]


#: The header with the id of a session of Claude Code.
_SESSION: Final = "x-claude-code-session-id"
#: The limit of characters of an id.
_ID_LIMIT: Final = 128


#: Marks the usage of a response that ended before the upstream reported it.
_ESTIMATED: Final = Loss("usage", "estimated: the response ended before the upstream reported it")


def _id_in(headers: Mapping[str, str], name: str) -> str:
    """Return the id in a header, empty if there is none that can be written anywhere."""
    value = headers.get(name, "")
    return value if len(value) <= _ID_LIMIT and value.isascii() and value.isprintable() else ""


class _Waiting:
    """Records that a request is in another phase during a ``with`` block."""

    __slots__ = ("_before", "_phase", "_recorder")

    def __init__(self, recorder: Recorder, before: Phase, phase: Phase) -> None:
        self._recorder = recorder
        self._before = before
        self._phase = phase

    def __enter__(self) -> None:
        self._recorder.enter(self._phase)

    def __exit__(self, *_: object) -> None:
        self._recorder.enter(self._before)


class Recorder:
    """Writes one :class:`ExchangeRecord`, notifies the observers of its start and its end.

    At the end the record is logged, by itself or with the HTTP request.

    :ivar pending: the result of serving the request, until the response begins.
    :ivar stream: the response that has begun.
    :ivar admission: what admitted a request of a key with rules, and settles it at the end.
    :ivar interruption: the error that ends the request before its time.
    """

    pending: Deferred[Any] | None = None
    stream: Any = None
    interruption: GatewayError | None = None
    admission: KeyAdmission | None = None

    def __init__(self, services: Services, protocol: str, call: Call) -> None:
        self._services = services
        self._take_record = call.take_record
        self._seconds = services.clock.seconds
        self._began = self._since = self._seconds()
        self._phase: Phase = "translation"
        times = RequestTimes()
        if call.arrived is not None:
            times.admission = max(0.0, self._began - call.arrived)
        self.record = ExchangeRecord(
            id=call.request_id,
            protocol=protocol,
            operation=call.route.operation,
            model="",
            started=time.time(),
            principal=call.principal,
            client=call.headers.get("user-agent", "")[:_ID_LIMIT],
            attempts=[],
            times=times,
        )
        if _SESSION in call.headers:
            self._read_agents(call.headers)
        self._tracer = services.traces.tracer
        if self._tracer is not None:
            self.record.trace = self._tracer.begin(call.headers)

    def _read_agents(self, headers: Mapping[str, str]) -> None:
        """Record the ids of the client's session and of the agents in it."""
        record = self.record
        record.session = _id_in(headers, _SESSION)
        record.agent = _id_in(headers, "x-claude-code-agent-id")
        record.parent_agent = _id_in(headers, "x-claude-code-parent-agent-id")

    def enter(self, phase: Phase) -> None:
        """Record that the request is in another phase from now on."""
        if self.record.outcome != "running":
            return
        now, times, before = self._seconds(), self.record.times, self._phase
        if before == "translation":
            times.translation += now - self._since
        elif before == "upstream":
            times.upstream += now - self._since
        else:
            times.queue += now - self._since
        self._phase, self._since = phase, now

    def waiting(self, phase: Phase) -> _Waiting:
        """Record that the request is in another phase during a ``with`` block."""
        return _Waiting(self, self._phase, phase)

    def translated(self, seconds: float) -> None:
        """Record that the gateway worked for so long while it waited for the upstream."""
        if self.record.outcome == "running":
            self.record.times.upstream -= seconds
            self.record.times.translation += seconds

    def now(self) -> float:
        """Return the time in seconds since the epoch; it never goes back during a request."""
        return self.record.started + self._elapsed()

    def name(self, model: str) -> None:
        """Note the model of a request that may be refused before it begins."""
        self.record.model = model

    def begin(self, model: str, *, stream: bool) -> None:
        """Record what was asked for."""
        self.record.model = model
        self.record.stream = stream
        self._services.running[id(self)] = self
        self._services.started(self.record)

    def intercept(self, label: str) -> None:
        """Record why the request is not a user's own; see :class:`ExchangeRecord`."""
        self.record.intercepted = label

    def route(self, decision: RoutingDecision) -> None:
        """Record which model serves, and the rules that led to it."""
        self.record.route = tuple(map(str, decision.steps))
        self.record.mapped_model = decision.options[0].target.model

    def warn(self, warnings: tuple[Loss, ...]) -> None:
        """Record what is lost in translation, in place of what was recorded before."""
        self.record.warnings = warnings

    def attempt(
        self,
        option: RoutingOption,
        credential: Credential,
        *,
        passed: bool,
        warnings: tuple[Loss, ...] = (),
        compressed: str | None = None,
    ) -> None:
        """Record that an attempt begins."""
        record = self.record
        record.mapped_model = option.target.model
        record.warnings = warnings
        record.compressed = compressed
        record.attempts.append(
            AttemptRecord(
                option.upstream.name,
                option.target.model,
                credential.id,
                option.client.name,
                passed,
                self._elapsed(),
                span_id="" if self._tracer is None else self._tracer.new_span_id(),
            )
        )

    def trace_headers(self) -> Headers:
        """Return the headers that continue the trace in the running attempt's request."""
        record = self.record
        trace = record.trace
        if trace is None or not trace.is_propagated:
            return ()
        return trace.headers(record.attempts[-1].span_id if record.attempts else trace.span_id)

    def failed(self, error: GatewayError) -> None:
        """Record that the running attempt failed."""
        if self.record.attempts:
            attempt = self.record.attempts[-1]
            attempt.ended = self._elapsed()
            attempt.status = error.upstream_status
            attempt.error = f"{type(error).__name__}: {error.message}"

    def withdraw(self) -> None:
        """Drop the running attempt, which has sent nothing."""
        if self.record.attempts:
            self.record.attempts.pop()

    def repeated(self, error: GatewayError) -> None:
        """Record that the running attempt failed, and is made again with another access token."""
        self.failed(error)
        if self.record.attempts:
            repeated = replace(
                self.record.attempts[-1],
                started=self._elapsed(),
                ended=None,
                status=None,
                error=None,
                span_id="" if self._tracer is None else self._tracer.new_span_id(),
            )
            self.record.attempts.append(repeated)

    def first_byte(self) -> None:
        """Record that the response to the client begins."""
        self.record.first_byte = self._elapsed()

    def end(
        self,
        error: GatewayError | None,
        usage: Usage | None,
        status: int = 200,
        *,
        is_estimate: bool = False,
    ) -> None:
        """Record how it went, once; later calls change nothing.

        ``is_estimate`` says that the usage is more than what the upstream has reported.
        """
        record = self.record
        if record.outcome != "running":
            return
        self._services.running.pop(id(self), None)
        self.pending = self.stream = None
        self.enter("translation")
        record.usage = usage
        if is_estimate:
            record.warnings = (*record.warnings, _ESTIMATED)
        record.duration = self._since - self._began
        if error is None:
            record.outcome, record.status = "ok", status
            # The last attempt has failed if the gateway has answered instead of the upstream.
            if record.attempts and record.attempts[-1].ended is None:
                record.attempts[-1].ended = record.duration
                record.attempts[-1].status = 200
        else:
            cancelled = isinstance(error, CancelledByClientError)
            record.outcome = "cancelled" if cancelled else "error"
            record.status = error.status
            record.error = f"{type(error).__name__}: {error.message}"
            if record.attempts and record.attempts[-1].ended is None:
                self.failed(error)
        if self._take_record is None or not self._take_record(record):
            log_exchange(record)
        if self.admission is not None:
            self.admission.settle(record)
        self._services.finished(record)

    def interrupt(self, error: GatewayError) -> bool:
        """End the request with ``error``; return whether that is possible."""
        pending = self.pending
        stream: Any = IInterruptibleStream(self.stream, None)
        if stream is None and pending is None:
            return False
        self.interruption = error
        if stream is not None:
            stream.interrupt(error)
        elif pending is not None:
            pending.cancel()
        return True

    def branch(self) -> Recorder:
        """Return a recorder for one of several parallel requests, without observers."""
        branch = copy(self)
        branch.record = replace(self.record, attempts=[], warnings=(), times=RequestTimes())
        branch._phase, branch._since = "translation", self._seconds()
        branch._take_record = lambda record: True  # one line for the whole request
        branch.admission = None  # the whole request is settled
        branch._services = replace(self._services, finished=lambda record: None)
        return branch

    def absorb(self, branch: Recorder) -> None:
        """Add what a branch has recorded."""
        record, other = self.record, branch.record
        record.attempts += other.attempts
        record.warnings = tuple(dict.fromkeys((*record.warnings, *other.warnings)))
        record.compressed = record.compressed or other.compressed
        record.mapped_model = other.mapped_model
        self.translated(other.times.translation)

    def _elapsed(self) -> float:
        return self._seconds() - self._began
