"""Producers that write only when they are asked, as static files of Twisted do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import CooperativeTask, Cooperator
from zope.interface import implementer

from antigravity.logs import make_logger


@implementer(IPushProducer)
class PulledProducer:
    """A push producer that asks a pull producer for a piece in each reactor turn."""

    log = make_logger()

    def __init__(self, producer: Any, cooperator: Cooperator) -> None:
        self._producer = producer
        self._is_paused = self._is_stopped = False
        self._task: CooperativeTask[Iterator[None]] = cooperator.cooperate(self._pull())

    def _pull(self) -> Iterator[None]:
        while not self._is_stopped:
            try:
                self._producer.resumeProducing()
            except Exception:  # noqa: BLE001 - no caller handles it
                self.log.failure("a producer failed")
                self._producer.stopProducing()
                return
            yield

    def pauseProducing(self) -> None:
        """Ask for no more pieces."""
        if not self._is_paused and not self._is_stopped:
            self._is_paused = True
            self._task.pause()

    def resumeProducing(self) -> None:
        """Ask for pieces again."""
        if self._is_paused and not self._is_stopped:
            self._is_paused = False
            self._task.resume()

    def stopProducing(self) -> None:
        """Stop the producer for good."""
        self.stop()
        self._producer.stopProducing()

    def stop(self) -> None:
        """Ask for nothing any more: the producer is done, or its client is gone."""
        self._is_stopped = True
        if self._is_paused:
            self._is_paused = False
            self._task.resume()  # so that it sees that it has ended
