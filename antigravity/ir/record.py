"""The record of one exchange: request, attempts, usage, warnings and durations.

It holds no content and no credentials: only names, counts and times.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from antigravity.ir.capabilities import Loss
from antigravity.ir.usage import Usage

Outcome = Literal["running", "ok", "error", "cancelled"]


class AttemptRecord(Struct):
    """One attempt at one upstream; times are in seconds since the exchange began.

    ``span_id`` is that of a traced exchange, as in :class:`TraceContext`.
    """

    upstream: str
    model: str
    credential: str
    protocol: str
    passed_through: bool
    started: float
    ended: float | None = None
    status: int | None = None
    error: str | None = None
    span_id: str = ""


class TraceContext(Struct, frozen=True):
    """The place of one exchange in a distributed trace: https://www.w3.org/TR/trace-context/.

    Ids are lower-case hexadecimal digits.  ``parent_id`` is the span of the client, empty if it
    sent none.  ``state`` is the client's ``tracestate``.  ``is_propagated`` says that upstreams
    receive the context.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    is_sampled: bool = True
    state: str = ""
    is_propagated: bool = True

    def headers(self, span_id: str) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request whose span is ``span_id``."""
        parent = f"00-{self.trace_id}-{span_id}-{'01' if self.is_sampled else '00'}"
        state = (("tracestate", self.state),) if self.state else ()
        return (("traceparent", parent), *state)


class RequestTimes(Struct):
    """Where the time of one exchange went, in seconds; updated while it runs.

    ``admission`` is from the arrival of the request until the exchange began, and includes
    reading the body.  ``queue`` is the wait for a turn of the event loop, for an account, and
    between attempts.  ``upstream`` is the wait for the upstream, and for other servers that the
    request needs.  During a stream it includes the wait for a client that reads slowly.
    ``translation`` is all the rest, the gateway's own work.  After the end the last three add up
    to the record's ``duration``.
    """

    admission: float = 0.0
    queue: float = 0.0
    translation: float = 0.0
    upstream: float = 0.0

    @property
    def overhead(self) -> float:
        """The seconds that the gateway has added to the upstream's."""
        return self.admission + self.queue + self.translation


class ExchangeRecord(Struct):
    """One exchange.  Updated while it runs; ``started`` is in seconds since the epoch.

    A call of a tool over MCP is one, too: ``model`` is then the name of the tool that the client
    used, and ``mapped_model`` its full name.

    ``route`` lists the rules that mapped ``model`` to another name, such as ``RULE: OLD -> NEW``.
    ``first_byte`` and ``duration`` are in seconds since the start.  ``intercepted`` is
    ``warmup:FILTER`` for a request that was answered without a model, ``background:KIND`` for one
    that was sent to the model for background tasks, and ``context:summary`` for a request that
    the gateway made itself, and ``replay:REFERENCE`` for one that the operator has sent again.
    ``compressed`` says how a conversation was shortened, such as ``l1; tokens=180000->120000``.
    ``warnings`` lists what translation dropped or replaced.
    ``times`` says where the time went.  ``session``, ``agent`` and ``parent_agent`` are the ids
    that Claude Code gives its session and the agents in it; each agent that it starts has a new
    one.  ``client`` is the user agent that the client sent.  ``trace`` is set while traces are on.
    """

    id: str
    protocol: str
    operation: str
    model: str
    started: float
    stream: bool = False
    principal: str = ""
    route: tuple[str, ...] = ()
    mapped_model: str = ""
    outcome: Outcome = "running"
    status: int | None = None
    error: str | None = None
    usage: Usage | None = None
    first_byte: float | None = None
    duration: float | None = None
    attempts: list[AttemptRecord] = []
    warnings: tuple[Loss, ...] = ()
    compressed: str | None = None
    intercepted: str | None = None
    session: str = ""
    agent: str = ""
    parent_agent: str = ""
    client: str = ""
    times: RequestTimes = field(default_factory=RequestTimes)
    trace: TraceContext | None = None
