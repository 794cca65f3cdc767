"""Distributed traces of requests."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from zope.interface import Interface

from antigravity.ir.record import TraceContext


class ITracer(Interface):
    """Gives requests their places in traces."""

    def begin(headers: Mapping[str, str]) -> TraceContext:
        """Return the place of a new request.

        :param headers: those of the client, names in lower case; they may continue its trace.
        """

    def new_span_id() -> str:
        """Return the id of a new span."""


class TraceSource(Struct):
    """The tracer of new requests, ``None`` while traces are off; a reload replaces it."""

    tracer: ITracer | None = None
