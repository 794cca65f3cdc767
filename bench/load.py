"""Clients that send requests one after the other, each over one connection.

Times are in ms; ``lag`` is the time from the moment at which the fake provider writes a piece of a
paced stream to its arrival here.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httptools

from bench.loops import new_loop
from bench.requests import RequestSpec
from bench.wire import MARK

#: Seconds to wait for the last responses.
_GRACE = 120.0
_MAX_FAULTS = 100


@dataclass
class Result:
    """The result of a load.

    ``faults`` describes the wrong responses, ``marks`` is the number of pieces of text in the
    others.
    """

    faults: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    marks: int = 0
    seconds: float = 0.0

    @property
    def responses(self) -> int:
        """The number of complete responses."""
        return len(self.latencies)

    def check(self) -> Result:
        """Return the result itself.

        :raises RuntimeError: if a response is wrong, or there is none.
        """
        if self.faults or not self.latencies:
            raise RuntimeError(f"wrong response: {self.faults[0] if self.faults else 'none'}")
        return self


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the value below which a ``part`` of all are, ``None`` if there are none."""
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


@dataclass(frozen=True)
class Load:
    """The load: ``clients`` send the request ``spec``, until ``seconds`` or ``requests`` are over.

    They connect within ``ramp`` seconds.
    """

    spec: RequestSpec
    clients: int = 1
    seconds: float = 1.0
    requests: int = 1_000_000
    ramp: float = 0.0


class _Client(asyncio.Protocol):
    """One connection, and the parser of its responses."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.WriteTransport | None = None
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._next()

    def _next(self) -> None:
        if not self._run.take():
            self._close()
            self._run.leave()
            return
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._rest = b""
        self._marks = 0
        self._first = 0.0
        self._order_is_wrong = self._is_complete = self._stays_open = False
        self._is_waiting = True
        self._sent_at = time.monotonic()
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"malformed response: {error}")
            return
        if self._parts:
            body, self._parts = b"".join(self._parts), []
            self._read(body, now)
        if self._is_complete:
            self._end(now)

    # httptools calls these by name.
    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
        # Later the parser knows only of the next response, and says no.
        self._stays_open = self._parser.should_keep_alive()

    def _read(self, body: bytes, now: float) -> None:
        """Read the marks; one that is split between two reads is read with the second."""
        text = self._rest + body
        end = 0
        for mark in MARK.finditer(text):
            if int(mark[1]) != self._marks % self._run.spec.pieces:
                self._order_is_wrong = True
            self._marks += 1
            stamp = int(mark[2])
            if stamp and self._marks <= self._run.spec.pieces:
                self._run.result.lags.append(1000 * (now - stamp / 1e9))
            end = mark.end()
        if self._marks and not self._first:
            self._first = now
        self._rest = text[max(end, len(text) - 300) :]

    def _end(self, now: float) -> None:
        status, spec = self._parser.get_status_code(), self._run.spec
        is_complete = spec.has_all_pieces(self._marks)
        if status != 200 or not is_complete or self._order_is_wrong:
            rest = self._rest[:300].decode(errors="replace")
            self._fail(f"status {status}, {self._marks} pieces: …{rest}")
            return
        result = self._run.result
        result.latencies.append(1000 * (now - self._sent_at))
        result.first.append(1000 * (self._first - self._sent_at))
        result.marks += min(self._marks, spec.pieces)
        self._is_waiting = False
        if self._stays_open:
            self._next()
        else:
            self._reconnect()

    def _fail(self, fault: str) -> None:
        self._is_waiting = False
        self._run.result.faults.append(fault)
        self._reconnect()

    def _reconnect(self) -> None:
        self._close()
        self._run.connect()

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        if self._is_waiting:
            self._is_waiting = False
            self._run.result.faults.append(f"connection lost: {exc or 'closed'}")
        self._run.connect()


class _Run:
    """One load while it runs."""

    def __init__(self, port: int, load: Load) -> None:
        self._port = port
        self._load = load
        self.spec = load.spec
        self.request = load.spec.request(port)
        self.result = Result()
        self._loop = asyncio.get_running_loop()
        self._remaining = load.requests
        self._clients = load.clients
        self._ended = asyncio.Event()
        self._connecting: set[asyncio.Task[None]] = set()

    def take(self) -> bool:
        """Return whether there is another request to send."""
        faults = len(self.result.faults)
        if self._remaining <= 0 or time.monotonic() >= self._until or faults > _MAX_FAULTS:
            return False
        self._remaining -= 1
        return True

    def leave(self) -> None:
        """Count a client that has ended."""
        self._clients -= 1
        if not self._clients:
            self._ended.set()

    def connect(self) -> None:
        """Connect a client."""
        task = self._loop.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(lambda: _Client(self), "127.0.0.1", self._port)
        except OSError as error:
            self.result.faults.append(f"cannot connect: {error}")
            self.leave()

    async def run(self) -> Result:
        """Send the requests, and return the result."""
        started = time.monotonic()
        self._until = started + self._load.seconds
        for _ in range(self._load.clients):
            self.connect()
            if self._load.ramp:
                await asyncio.sleep(self._load.ramp / self._load.clients)
        try:
            await asyncio.wait_for(self._ended.wait(), self._load.seconds + _GRACE)
        except TimeoutError:
            self.result.faults.append(f"{self._clients} clients wait for responses")
        self.result.seconds = time.monotonic() - started
        return self.result


@contextmanager
def _no_collection() -> Iterator[None]:
    """Do not collect garbage meanwhile, because its pauses would count as the gateway's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(port: int, load: Load) -> Result:
    """Run a load, and return its result."""

    async def running() -> Result:
        return await _Run(port, load).run()

    with _no_collection(), asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(running())
