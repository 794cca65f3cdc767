"""Records of the calls of tools, which observers and the ledger get like those of exchanges."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.mcp.tool_calls import ToolCall, ToolCallEnd

#: The protocol and the operation of these records.
PROTOCOL: Final = "mcp"
OPERATION: Final = "call_tool"

Notify = Callable[[ExchangeRecord], None]


class CallRecords:
    """Makes a record of every call of a tool.

    ``started`` and ``finished`` are called with it.  ``model`` is the name of the tool that the
    client used, ``mapped_model`` the full one.  A call to another server is an attempt at the
    upstream ``mcp:NAME``.
    """

    def __init__(
        self,
        clock: IReactorTime,
        new_id: Callable[[str], str],
        started: Notify,
        finished: Notify,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._started = started
        self._finished = finished

    def observe(self, call: ToolCall) -> Callable[[ToolCallEnd], None]:
        """Begin a record, and return the function that ends it."""
        began = self._clock.seconds()
        record = ExchangeRecord(
            id=call.request_id or self._new_id("call_"),
            protocol=PROTOCOL,
            operation=OPERATION,
            model=call.requested,
            started=time.time(),
            principal=call.principal,
            client=call.client,
            attempts=[],
        )
        self._started(record)

        def finish(end: ToolCallEnd) -> None:
            if record.outcome != "running":
                return
            duration = self._clock.seconds() - began
            record.outcome, record.status, record.error = end.outcome, end.status, end.error
            record.duration = record.times.upstream = duration
            record.mapped_model = call.tool
            if call.server:
                attempt = AttemptRecord(
                    f"{PROTOCOL}:{call.server}", call.tool, "", PROTOCOL, True, 0.0, duration
                )
                attempt.status, attempt.error = end.status, end.error
                record.attempts = [attempt]
            self._finished(record)

        return finish
