"""What the exchange works with, apart from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from antigravity.context.calibration import Calibration
from antigravity.context.memory import ContextMemory
from antigravity.exchange.background import Background
from antigravity.exchange.streams.converted import InThread
from antigravity.exchange.turns import Turns
from antigravity.interfaces.transport import IHttpTransport
from antigravity.ir.record import ExchangeRecord
from antigravity.signatures.store import SignatureStore
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.published_files import PublishedFiles


class Services(Struct, frozen=True):
    """Collaborators of all exchanges.

    ``new_id`` returns a fresh identifier with the prefix it is given; ``started`` and
    ``finished`` tell observers.  ``in_thread`` calls a function that computes for long.
    ``background`` does the same for large requests, one at a time; ``turns`` says when the event
    loop has time for small ones.
    """

    clock: IReactorTime
    transport: IHttpTransport
    signatures: SignatureStore
    calibration: Calibration
    contexts: ContextMemory
    conversations: BoundedCache
    files: PublishedFiles
    new_id: Callable[[str], str]
    started: Callable[[ExchangeRecord], None]
    finished: Callable[[ExchangeRecord], None]
    in_thread: InThread
    background: Background
    turns: Turns
