"""The operator's questions about finished requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.ledger import ILedger, RequestQuestion, UsageQuestion
from antigravity.ir.errors import InvalidRequestError
from antigravity.web.request import head_of
from antigravity.web.responses import is_closed, write_whole

Q = TypeVar("Q", RequestQuestion, UsageQuestion)
Handler = Callable[..., Deferred[None]]


class LedgerPaths:
    """The handlers of ``/admin/requests`` and ``/admin/usage``."""

    def __init__(self, ledger: ILedger) -> None:
        self._ledger = ledger

    def paths(self) -> dict[str, tuple[tuple[str, ...], Handler]]:
        """Return every path with its methods and handler."""
        return {
            "/admin/requests": (("GET", "HEAD"), self._requests),
            "/admin/requests/<request_id>": (("GET", "HEAD"), self._request),
            "/admin/usage": (("GET", "HEAD"), self._usage),
        }

    def _requests(self, request: Any) -> Deferred[None]:
        question = read_query(request, RequestQuestion)
        return self._ledger.requests(question).addCallback(_write, request)

    def _request(self, request: Any, request_id: str) -> Deferred[None]:
        return self._ledger.request(request_id).addCallback(_write, request)

    def _usage(self, request: Any) -> Deferred[None]:
        question = read_query(request, UsageQuestion)
        return self._ledger.usage(question).addCallback(_write, request)


def read_query(request: Any, kind: type[Q]) -> Q:
    """Return the query of ``request`` as a ``kind``.

    :raises InvalidRequestError: if it has other parameters, or wrong values.
    """
    query = dict(head_of(request).query)
    try:
        return msgspec.convert(query, kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(kind))
        raise InvalidRequestError(
            f"The query is wrong: {error}.  Its parameters are: {known}."
        ) from None


def _write(answer: object, request: Any) -> None:
    if not is_closed(request):
        write_whole(request, Reply(200, "application/json", (), msgspec.json.encode(answer)))
