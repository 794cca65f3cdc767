"""The producer of a response, which the pace of the client rules."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Cooperator

from antigravity.web.connection.pull_producer import PulledProducer


class ResponseProducer:
    """The producer of the current response of a connection, if it has one.

    :param cooperator: asks producers that write only when they are asked.
    """

    __slots__ = ("_cooperator", "_producer")

    def __init__(self, cooperator: Cooperator) -> None:
        self._cooperator = cooperator
        self._producer: Any = None

    def register(self, producer: Any, streaming: bool) -> None:
        """Begin with a producer.

        :param streaming: whether it writes unasked.
        :raises RuntimeError: if there is one already.
        """
        if self._producer is not None:
            raise RuntimeError("The response has a producer already.")
        self._producer = producer if streaming else PulledProducer(producer, self._cooperator)

    def unregister(self) -> None:
        """Forget the producer: the response is complete."""
        producer, self._producer = self._producer, None
        if isinstance(producer, PulledProducer):
            producer.stop()

    def pause(self) -> None:
        """Write no more for a while."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume(self) -> None:
        """Write again."""
        if self._producer is not None:
            self._producer.resumeProducing()

    def stop(self) -> None:
        """Stop for good: the client is gone."""
        if self._producer is not None:
            self._producer.stopProducing()
