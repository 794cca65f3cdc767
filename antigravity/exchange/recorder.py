"""Keeps the record of one exchange while it runs."""

from __future__ import annotations

import time
from copy import copy

from msgspec.structs import replace

from antigravity.exchange.services import Services
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import Call
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.routing.router import Candidate


class Recorder:
    """Writes one :class:`ExchangeRecord`, and tells the observers its beginning and its end."""

    def __init__(self, services: Services, protocol: str, call: Call) -> None:
        self._services = services
        self._began = services.clock.seconds()
        self.record = ExchangeRecord(
            id=call.request_id,
            protocol=protocol,
            operation=call.route.operation,
            model="",
            started=time.time(),
            principal=call.principal,
            attempts=[],
        )

    def now(self) -> float:
        """Return the time in seconds since the epoch; it never goes back while a request runs."""
        return self.record.started + self._elapsed()

    def begin(self, model: str, *, stream: bool) -> None:
        """Note what was asked for."""
        self.record.model = model
        self.record.stream = stream
        self._services.started(self.record)

    def attempt(self, candidate: Candidate, credential: Credential, *, passed: bool) -> None:
        """Note that an attempt begins."""
        self.record.mapped_model = candidate.target.model
        self.record.attempts.append(
            AttemptRecord(
                candidate.upstream.name,
                candidate.target.model,
                credential.id,
                candidate.client.name,
                passed,
                self._elapsed(),
            )
        )

    def failed(self, error: GatewayError) -> None:
        """Note that the running attempt failed."""
        if self.record.attempts:
            attempt = self.record.attempts[-1]
            attempt.ended = self._elapsed()
            attempt.status = error.upstream_status
            attempt.error = f"{type(error).__name__}: {error.message}"

    def repeated(self, error: GatewayError) -> None:
        """Note that the running attempt failed, and is made again with another access token."""
        self.failed(error)
        if self.record.attempts:
            again = replace(
                self.record.attempts[-1],
                started=self._elapsed(),
                ended=None,
                status=None,
                error=None,
            )
            self.record.attempts.append(again)

    def first_byte(self) -> None:
        """Note that the client is being answered."""
        self.record.first_byte = self._elapsed()

    def end(self, error: GatewayError | None, usage: Usage | None, status: int = 200) -> None:
        """Note how it went, once; later calls change nothing."""
        record = self.record
        if record.outcome != "running":
            return
        record.usage = usage
        record.duration = self._elapsed()
        if error is None:
            record.outcome, record.status = "ok", status
            if record.attempts:
                record.attempts[-1].ended = record.duration
                record.attempts[-1].status = 200
        else:
            cancelled = isinstance(error, CancelledByClientError)
            record.outcome = "cancelled" if cancelled else "error"
            record.status = error.status
            record.error = f"{type(error).__name__}: {error.message}"
            if record.attempts and record.attempts[-1].ended is None:
                self.failed(error)
        self._services.finished(record)

    def branch(self) -> Recorder:
        """Return a recorder for one of several parallel parts; nobody is told of those."""
        part = copy(self)
        part.record = replace(self.record, attempts=[], losses=())
        part._services = replace(self._services, finished=lambda record: None)
        return part

    def absorb(self, part: Recorder) -> None:
        """Take over what a part has noted."""
        record, other = self.record, part.record
        record.attempts += other.attempts
        record.losses = tuple(dict.fromkeys((*record.losses, *other.losses)))
        record.mapped_model = other.mapped_model

    def _elapsed(self) -> float:
        return self._services.clock.seconds() - self._began
