"""State that the gateway learns from requests and stores across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import inlineCallbacks

from antigravity.app.summary_key import SummaryKey
from antigravity.config.settings import Settings
from antigravity.context.calibration import Calibration
from antigravity.context.plan_store import PlanStore
from antigravity.context.sealed_summary import SummarySealer
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.stores import Entry, IStateStore
from antigravity.logs import make_logger
from antigravity.routing.learned_refusals import LearnedRefusals
from antigravity.signatures.store import SignatureStore
from antigravity.state.content import SharedContent
from antigravity.stores.expiring_store import ExpiringStore
from antigravity.stores.json_state import open_state
from antigravity.stores.optional_store import OptionalStore
from antigravity.stores.persistent_cache import PersistentCache
from antigravity.stores.sqlite_file import SqliteFile

SIGNATURES_FILE: Final = "signatures.db"
CONTEXTS_FILE: Final = "contexts.db"
#: Bounds of the compression plans; a time to live in seconds.
_MAX_PLANS: Final = 5_000
_MAX_PLAN_BYTES: Final = 32 * 1024 * 1024
_PLAN_TTL: Final = 3 * 24 * 3600.0
CALIBRATION_FILE: Final = "calibration.json"
#: Seconds; calibration changes with nearly every request, and a lost change does no harm.
_CALIBRATION_DELAY: Final = 30.0


class LearnedState:
    """Signatures, calibration and compression plans, from :meth:`start` to :meth:`stop`.

    They are stored in ``directory``; without one they are in memory only.  ``content`` is what
    gateways share of them.

    :param summary_key: finds the key of sealed summaries, which all processes of a home share.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        directory: Path | None,
        content: SharedContent | None = None,
        summary_key: Callable[[], bytes] | None = None,
    ) -> None:
        self._reactor = reactor
        self._bounds = settings.signatures
        self._state: IStateStore | None = None
        self.signatures = SignatureStore(reactor.seconds)
        if content is not None:
            self.signatures.shared = content.kind("thinking")
        #: In memory only: an upstream may accept after a restart what it refused before.
        self.refusals = LearnedRefusals(reactor.seconds)
        self.summaries = SummarySealer(summary_key or SummaryKey(directory))
        self._configure(settings)
        self._contexts = PersistentCache(
            reactor.seconds, max_entries=_MAX_PLANS, max_bytes=_MAX_PLAN_BYTES, ttl=_PLAN_TTL
        )
        self._signatures_disk: OptionalStore | None = None
        self._contexts_disk: OptionalStore | None = None
        if directory is not None:
            self.signatures.disk = self._signatures_disk = self._optional_store(
                directory / SIGNATURES_FILE,
                lambda: (self._bounds.max_entries, self._bounds.max_bytes),
                self.signatures.entries,
                enabled=settings.signatures.persist,
            )
            self._contexts.disk = self._contexts_disk = self._optional_store(
                directory / CONTEXTS_FILE,
                lambda: (_MAX_PLANS, _MAX_PLAN_BYTES),
                self._contexts.entries,
                enabled=settings.experimental.context_persist,
            )
            self._state = open_state(
                reactor, directory / CALIBRATION_FILE, delay=_CALIBRATION_DELAY
            )
        plans = None if content is None else content.kind("plan")
        self.contexts = PlanStore(self._contexts, plans, _PLAN_TTL)
        self.calibration = (
            Calibration() if self._state is None else Calibration(self._state.changed)
        )

    @inlineCallbacks
    def start(self) -> Any:
        """Return a Deferred that fires when everything stored is loaded."""
        if self._signatures_disk is not None:
            malformed = self.signatures.restore((yield self._signatures_disk.load()))
            if malformed:
                self.log.warn("{n} stored signatures are malformed; they are dropped", n=malformed)
        if self._contexts_disk is not None:
            self._contexts.restore((yield self._contexts_disk.load()))
        if self._state is not None:
            if not self.calibration.restore(self._state.load()):
                self.log.warn("the stored calibration is malformed; it starts again")
            self._state.watch(self.calibration.snapshot)

    @inlineCallbacks
    def use(self, settings: Settings) -> Any:
        """Return a Deferred that fires when stores are enabled or disabled as in ``settings``."""
        self._configure(settings)
        if self._signatures_disk is not None:
            yield self._signatures_disk.set_enabled(settings.signatures.persist)
        if self._contexts_disk is not None:
            yield self._contexts_disk.set_enabled(settings.experimental.context_persist)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when everything is on disk."""
        for store in (self._signatures_disk, self._contexts_disk, self._state):
            if store is not None:
                yield store.stop()

    def _configure(self, settings: Settings) -> None:
        self._bounds = bounds = settings.signatures
        self.signatures.configure(
            ttl=bounds.ttl, max_entries=bounds.max_entries, max_bytes=bounds.max_bytes
        )

    def _optional_store(
        self,
        path: Path,
        bounds: Callable[[], tuple[int, int]],
        entries: Callable[[], Iterable[Entry]],
        *,
        enabled: bool,
    ) -> OptionalStore:
        run = partial(call_in_thread, self._reactor)

        def make() -> ExpiringStore:
            max_entries, max_bytes = bounds()
            now = self._reactor.seconds
            file = SqliteFile(path, now, max_entries=max_entries, max_bytes=max_bytes)
            return ExpiringStore(file, self._reactor, now, run=run)

        return OptionalStore(make, partial(run, self._delete, path), entries, enabled=enabled)

    def _delete(self, file: Path) -> None:
        """Delete a disabled store."""
        try:
            for path in file.parent.glob(f"{file.name}*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            self.log.error("{name} cannot be deleted: {error}", name=file.name, error=str(error))
