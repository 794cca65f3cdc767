"""What is kept of one exchange: who asked for what, who served it, and how it went.

No content, no credentials: only names, counts and times.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.ir.capabilities import Loss
from antigravity.ir.usage import Usage

Outcome = Literal["running", "ok", "error", "cancelled"]


class AttemptRecord(Struct):
    """One try at one upstream; times are in seconds since the exchange began."""

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
    """One exchange.  Filled in while it runs; ``started`` is in seconds since the epoch.

    ``route`` are the rules that led from ``model`` to another name, each with what it made of
    which.  ``first_byte`` and ``duration`` are in seconds since the start.  ``intercepted`` says
    what the gateway took the request for: ``warmup:FILTER`` was answered without a model,
    ``background:KIND`` was sent to the model for background tasks, ``context:summary`` is a
    request of the gateway's own.  ``compressed`` says how a conversation was made to fit, such as
    ``l1; tokens=180000->120000``.
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
    losses: tuple[Loss, ...] = ()
    compressed: str | None = None
    intercepted: str | None = None
