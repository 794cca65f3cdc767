"""What requests are served with, whatever the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field
from twisted.internet.interfaces import IReactorTime

from antigravity.context.calibration import Calibration
from antigravity.context.plan_store import PlanStore
from antigravity.context.sealed_summary import SummarySealer
from antigravity.exchange.background import Background
from antigravity.exchange.running import RunningRequests
from antigravity.exchange.streams.converted import InThread
from antigravity.exchange.turns import Turns
from antigravity.interfaces.traces import TraceSource
from antigravity.interfaces.transport import IHttpTransport
from antigravity.ir.record import ExchangeRecord
from antigravity.keys.gate import KeyGate
from antigravity.routing.learned_refusals import LearnedRefusals
from antigravity.signatures.bound_thinking import BoundThinking
from antigravity.signatures.store import SignatureStore
from antigravity.state.content import SharedContent
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.published_files import PublishedFiles


class Services(Struct, frozen=True):
    """Collaborators of all requests.

    ``new_id`` returns a fresh identifier with a given prefix; ``started`` and ``finished`` notify
    observers.  ``in_thread`` calls a function that computes for long.  ``background`` does so for
    large requests, one at a time; ``turns`` limits the time of the event loop for small ones.
    ``refusals`` are the parameters that upstreams have refused.  ``summaries`` seals the summaries
    of conversations that clients store.  ``running`` are the requests that are being served.
    ``keys`` admits requests of keys with rules, whose budgets need the prices of ``pricer``.
    ``content`` is what gateways share of requests, ``None`` if they share nothing.
    ``bound`` are the conversations whose thinking no longer fits.  ``traces`` has the tracer, if
    traces are on.
    """

    clock: IReactorTime
    transport: IHttpTransport
    signatures: SignatureStore
    calibration: Calibration
    contexts: PlanStore
    conversations: BoundedCache
    files: PublishedFiles
    new_id: Callable[[str], str]
    started: Callable[[ExchangeRecord], None]
    finished: Callable[[ExchangeRecord], None]
    in_thread: InThread
    background: Background
    turns: Turns
    refusals: LearnedRefusals
    summaries: SummarySealer
    running: RunningRequests = field(default_factory=RunningRequests)
    bound: BoundThinking = field(default_factory=BoundThinking)
    keys: KeyGate | None = None
    pricer: Any = None
    content: SharedContent | None = None
    traces: TraceSource = field(default_factory=TraceSource)
