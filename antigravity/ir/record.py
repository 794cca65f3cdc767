"""The record of one exchange: request, attempts, usage, warnings and durations.

It holds no content and no credentials: only names, counts and times.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.ir.capabilities import Loss
from antigravity.ir.usage import Usage

Outcome = Literal["running", "ok", "error", "cancelled"]


class AttemptRecord(Struct):
    """One attempt at one upstream; times are in seconds since the exchange began."""

    upstream: str
    model: str
    credential: str
    protocol: str
    passed_through: bool
    started: float
    ended: float | None = None
    status: int | None = None
    error: str | None = None


class ExchangeRecord(Struct):
    """One exchange.  Updated while it runs; ``started`` is in seconds since the epoch.

    ``route`` lists the rules that mapped ``model`` to another name, such as ``RULE: OLD -> NEW``.
    ``first_byte`` and ``duration`` are in seconds since the start.  ``intercepted`` is
    ``warmup:FILTER`` for a request that was answered without a model, ``background:KIND`` for one
    that was sent to the model for background tasks, and ``context:summary`` for a request that
    the gateway made itself.  ``compressed`` says how a conversation was shortened, such as
    ``l1; tokens=180000->120000``.  ``warnings`` lists what translation dropped or replaced.
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
