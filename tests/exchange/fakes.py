"""Fakes of both sides of a stream: the upstream's transport and the client's consumer."""

from __future__ import annotations

from typing import Any


class FakeTransport:
    """The upstream's side: records pauses, resumes and stops."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")

    def stopProducing(self) -> None:
        self.asked.append("stop")


class FakeConsumer:
    """The client's side."""

    def __init__(self) -> None:
        self.producer: Any = None
        self.streaming: bool | None = None
        self.written: list[bytes] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer, self.streaming = producer, streaming

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.written.append(data)
