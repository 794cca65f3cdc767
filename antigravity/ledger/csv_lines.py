"""Lines of CSV about requests.  Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from antigravity.interfaces.ledger import RequestSummary, Tokens

#: Cells that begin so are formulas to spreadsheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: The columns of CSV: the fields of a request, with those of its tokens.
COLUMNS: Final = tuple(
    name
    for each in RequestSummary.__struct_fields__
    for name in (
        [f"tokens_{part}" for part in Tokens.__struct_fields__] if each == "tokens" else [each]
    )
)


def csv_row(request: RequestSummary) -> list[Any]:
    """Return the cells of a request."""
    data = msgspec.structs.asdict(request)
    tokens: Tokens = data.pop("tokens")
    data |= {f"tokens_{name}": value for name, value in msgspec.structs.asdict(tokens).items()}
    return [data[name] for name in COLUMNS]


def csv_line(cells: Sequence[Any]) -> str:
    """Return a line of CSV, whose cells are no formulas."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_cell(each) for each in cells])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return value
