"""What the gateway has learnt from its exchanges, kept over a restart."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import inlineCallbacks
from txaio import tx as txaio

from antigravity.assembly import in_thread, write_private
from antigravity.config.settings import SignaturesSettings
from antigravity.context.calibration import Calibration
from antigravity.context.memory import ContextMemory
from antigravity.interfaces.stores import IExpiringStore, IStateStore
from antigravity.signatures.store import SignatureStore
from antigravity.stores.expiring import ExpiringStore
from antigravity.stores.json_state import JsonState
from antigravity.stores.kept import KeptBytes
from antigravity.stores.sqlite_file import SqliteFile

SIGNATURES_FILE: Final = "signatures.db"
CONTEXTS_FILE: Final = "contexts.db"
#: Bounds of what is known of compressed conversations; a time to live in seconds.
_CONTEXTS: Final = 5_000
_CONTEXTS_BYTES: Final = 32 * 1024 * 1024
_CONTEXTS_TTL: Final = 3 * 24 * 3600.0
CALIBRATION_FILE: Final = "calibration.json"
#: Calibration changes with nearly every exchange, and a little of it may be lost.
_CALIBRATION_DELAY: Final = 30.0


class Keeping:
    """Signatures, calibration and plans for conversations, from :meth:`start` to :meth:`stop`.

    ``directory`` is where they are kept; without one they are in memory only.
    """

    log = txaio.make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: SignaturesSettings,
        directory: Path | None,
        *,
        persist_contexts: bool,
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._disk: IExpiringStore | None = None
        self._contexts_disk: IExpiringStore | None = None
        self._state: IStateStore | None = None
        if directory is not None:
            if settings.persist:
                self._disk = self._on_disk(
                    directory / SIGNATURES_FILE, settings.max_entries, settings.max_bytes
                )
            if persist_contexts:
                self._contexts_disk = self._on_disk(
                    directory / CONTEXTS_FILE, _CONTEXTS, _CONTEXTS_BYTES
                )
            self._state = JsonState(
                directory / CALIBRATION_FILE,
                reactor,
                write=write_private,
                run=partial(in_thread, reactor),
                delay=_CALIBRATION_DELAY,
            )
        self.signatures = SignatureStore(
            time.time,
            ttl=settings.ttl,
            max_entries=settings.max_entries,
            max_bytes=settings.max_bytes,
            disk=self._disk,
        )
        self._contexts = KeptBytes(
            time.time,
            max_entries=_CONTEXTS,
            max_bytes=_CONTEXTS_BYTES,
            ttl=_CONTEXTS_TTL,
            disk=self._contexts_disk,
        )
        self.contexts = ContextMemory(self._contexts)
        self.calibration = (
            Calibration() if self._state is None else Calibration(self._state.changed)
        )

    @inlineCallbacks
    def start(self) -> Any:
        """Return a Deferred that fires when everything that was kept is known again."""
        if self._disk is not None:
            senseless = self.signatures.restore((yield self._disk.load()))
            if senseless:
                self.log.warn("{n} kept signatures make no sense, and are dropped", n=senseless)
        elif self._directory is not None:
            yield in_thread(self._reactor, self._delete, self._directory / SIGNATURES_FILE)
        if self._contexts_disk is not None:
            self._contexts.restore((yield self._contexts_disk.load()))
        elif self._directory is not None:
            yield in_thread(self._reactor, self._delete, self._directory / CONTEXTS_FILE)
        if self._state is not None:
            if not self.calibration.restore(self._state.load()):
                self.log.warn("what was kept of the calibration makes no sense: it begins anew")
            self._state.watch(self.calibration.snapshot)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when everything is kept."""
        for store in (self._disk, self._contexts_disk, self._state):
            if store is not None:
                yield store.stop()

    def _on_disk(self, path: Path, max_entries: int, max_bytes: int) -> ExpiringStore:
        file = SqliteFile(path, time.time, max_entries=max_entries, max_bytes=max_bytes)
        run = partial(in_thread, self._reactor)
        return ExpiringStore(file, self._reactor, time.time, run=run)

    def _delete(self, file: Path) -> None:
        """Delete what earlier runs have kept: whoever switches it off does not want it there."""
        try:
            for path in file.parent.glob(f"{file.name}*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            self.log.error("{name} cannot be deleted: {error}", name=file.name, error=str(error))
