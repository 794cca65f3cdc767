"""What was sent and received for a request, from rows of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antigravity.interfaces.payloads import PayloadMessage, ReplayRoute, RequestPayloads
from antigravity.ir.errors import NotFoundError
from antigravity.ledger.payload_rows import decode_body, decode_headers, decode_route
from antigravity.ledger.reader import Reader, reference_of

Row = Mapping[str, Any]


def answer_payloads(reader: Reader, reference: str) -> RequestPayloads:
    """Return the messages of one request.

    :param reference: see :meth:`Reader.request`.
    :raises NotFoundError: if there are none, saying why.
    """
    found = reader.request(reference)
    if found is None:  # its row may be written after its payloads
        if rows := reader.payloads(reference):
            return payloads_of(rows)
        raise NotFoundError(f"The ledger has no request {reference!r}.")
    if rows := reader.payloads(found["id"], found["started"]):
        return payloads_of(rows, reference_of(found))
    raise NotFoundError(
        f"The ledger has no payloads of the request {reference!r}: they were not kept, or were "
        "deleted.  ledger.payloads in the configuration says of which requests they are kept.",
        code="no_payloads",
    )


def payloads_of(rows: Sequence[Row], reference: str = "") -> RequestPayloads:
    """Return rows of one request as an answer."""
    route = next((decode_route(row["route"]) for row in rows if row["route"]), _NO_ROUTE)
    messages = [_message(row) for row in rows]
    return RequestPayloads(rows[0]["request"], messages, route, _no_replay(rows), reference)


_NO_ROUTE = ReplayRoute("", "", "")


def _message(row: Row) -> PayloadMessage:
    return PayloadMessage(
        direction=row["direction"],
        attempt=row["attempt"],
        method=row["method"],
        url=row["url"],
        status=row["status"],
        headers=decode_headers(row["headers"]),
        body=_body(row),
        size=row["size"],
        cut=row["cut"],
        media=row["media"],
        dropped=bool(row["dropped"]),
    )


def _body(row: Row) -> str:
    """Return a body, which says where bytes are missing."""
    text = decode_body(row["body"])
    if not row["cut"] or row["dropped"]:
        return text.decode("utf-8", "replace")
    head, tail = (
        each.decode("utf-8", "replace") for each in (text[: row["head"]], text[row["head"] :])
    )
    return f"{head}\n[{row['cut']} bytes are missing here]\n{tail}"


def _no_replay(rows: Sequence[Row]) -> str:
    """Return why the client's request cannot be sent again, empty if it can."""
    first = rows[0]
    if first["direction"] != "from_client" or not first["route"]:
        return "The client's request is not kept."
    if first["dropped"]:
        return "The client's request is not kept: there was no room for it."
    if first["cut"]:
        return f"The client's request is not kept as a whole: {first['cut']} bytes are missing."
    if first["media"]:
        return f"The client's request had files that are not kept: {first['media']}."
    return ""
