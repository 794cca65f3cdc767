"""Tables of results, in Markdown and in reStructuredText."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.cases import ROWS, Row

_NOTHING = "\N{EN DASH}"


@dataclass
class Results:
    """The results of one run, as they are stored in a file.

    ``columns`` has the columns' titles by name, ``rounds`` their values, one mapping for each
    round; ``floor`` is the column that the others are compared to.
    """

    title: str
    facts: dict[str, str]
    columns: dict[str, str]
    rounds: dict[str, list[dict[str, float]]]
    floor: str
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=lambda: [asdict(row) for row in ROWS])

    def medians(self, column: str) -> dict[str, float]:
        """Return the medians of a column's rounds."""
        rounds = self.rounds[column]
        keys = {key for values in rounds for key in values}
        return {key: median([v[key] for v in rounds if key in v]) for key in keys}

    def cells(self) -> list[list[str]]:
        """Return the heading and the rows of the table."""
        medians = {name: self.medians(name) for name in self.columns}
        base = medians.get(self.floor, {})
        lines = [["", *self.columns.values()]]
        for row in (Row(**fields) for fields in self.rows):
            if any(row.key in values for values in medians.values()):
                title = f"{row.title}, {row.unit}" if row.unit else row.title
                cells = [_cell(v, base, row, name == self.floor) for name, v in medians.items()]
                lines.append([title, *cells])
        return lines


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def _cell(values: Mapping[str, float], base: Mapping[str, float], row: Row, is_base: bool) -> str:
    """Return a value, and in brackets its ratio to that of the plain proxy."""
    if row.key not in values:
        return _NOTHING
    text = _number(values[row.key])
    if is_base or not row.has_ratio or base.get(row.key, 0) <= 0:
        return text
    return f"{text} ({_number(values[row.key] / base[row.key])})"


def markdown(results: Results) -> str:
    """Return the results in Markdown."""
    heading, *lines = results.cells()
    rows = [heading, ["---"] * len(heading), *lines]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    facts = "\n".join(f"* {name}: {text}" for name, text in results.facts.items())
    notes = "\n".join(f"* {note}" for note in results.notes)
    return "\n\n".join(part for part in (f"### {results.title}", table, facts, notes) if part)


def rst(results: Results) -> str:
    """Return the results in reStructuredText, without a heading."""
    heading, *lines = results.cells()
    widths = " ".join(["24"] + ["12"] * (len(heading) - 1))
    parts = [
        f".. list-table:: {results.title}",
        "   :header-rows: 1",
        f"   :widths: {widths}",
        "",
    ]
    for row in (heading, *lines):
        parts += [f"   * - {row[0]}".rstrip(), *(f"     - {cell}" for cell in row[1:])]
    facts = [f":{name}: {_escaped(text)}" for name, text in results.facts.items()]
    notes = [f"* {_escaped(note)}" for note in results.notes]
    return "\n".join([*parts, "", *_spaced(facts), *_spaced(notes)]).rstrip() + "\n"


def _spaced(lines: Sequence[str]) -> Iterable[str]:
    return [*lines, ""] if lines else []


def _escaped(text: str) -> str:
    """Return text without markup of reStructuredText, but for literals."""
    parts = text.split("``")
    escaped = [part.replace("*", "\\*").replace("|", "\\|") for part in parts[::2]]
    literals = [f"``{part}``" for part in parts[1::2]]
    return "".join(a + b for a, b in zip(escaped, [*literals, ""], strict=True))


def replace_between(text: str, name: str, new: str) -> str:
    """Return ``text`` with ``new`` between the comments that begin and end the table ``name``.

    :raises ValueError: if there are no such comments.
    """
    begin, end = f".. table {name} begins\n", f".. table {name} ends\n"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the comments of the table {name!r} are missing")
    return f"{before}{begin}\n{new}\n{end}{after}"
