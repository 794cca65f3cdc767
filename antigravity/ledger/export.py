"""Exports requests piece by piece, so that no export is in memory as a whole."""

from __future__ import annotations

from typing import Final

import msgspec

from antigravity.interfaces.ledger import ExportQuestion, RequestQuestion
from antigravity.interfaces.payloads import RequestPayloads
from antigravity.ir.errors import InvalidRequestError
from antigravity.ledger.answers import detail
from antigravity.ledger.export_formats import FORMATS
from antigravity.ledger.payload_answers import payloads_of
from antigravity.ledger.reader import Reader
from antigravity.redaction.addresses import mask_addresses

#: The most requests of one piece, and about its most bytes.
_ROWS: Final = 200
_BYTES: Final = 1024 * 1024


class Export:
    """One export.

    :raises InvalidRequestError: if the question asks for what its format does not have.
    """

    def __init__(self, question: ExportQuestion) -> None:
        if question.format == "csv" and question.payloads:
            raise InvalidRequestError("CSV has no payloads; export JSON lines.", param="payloads")
        self._question = question
        self._has_payloads = question.payloads or question.format == "har"
        self._format = FORMATS[question.format]()
        self._after: int | None = None
        self._has_begun = self._has_ended = False

    def next_piece(self, reader: Reader) -> bytes:
        """Return the next piece, empty at the end."""
        out: list[str] = []
        if not self._has_begun:
            self._has_begun = True
            out += filter(None, [self._format.begin()])
        while not self._has_ended and not out:
            out += self._rows(reader)
        text = "".join(out)
        return (text if self._question.unmasked else mask_addresses(text)).encode()

    def _rows(self, reader: Reader) -> list[str]:
        out: list[str] = []
        size = count = 0
        for row in reader.export(self._next_question()):
            self._after = row["number"]
            payloads: RequestPayloads | None = None
            if self._has_payloads and (found := reader.payloads(row["id"], row["started"])):
                payloads = payloads_of(found)
            out.append(self._format.add(detail(row), payloads))
            size += len(out[-1])
            count += 1
            if size > _BYTES:
                return out
        if count < _ROWS:
            self._has_ended = True
            out.append(self._format.end())
        return out

    def _next_question(self) -> RequestQuestion:
        fields = {
            name: getattr(self._question, name)
            for name in msgspec.structs.asdict(self._question)
            if name not in ("format", "payloads", "unmasked")
        }
        return RequestQuestion(**fields, after=self._after, limit=_ROWS)
