"""The table of clients and upstreams that a run prints: how many cases passed, of how many."""

from __future__ import annotations

from collections import defaultdict

from tests.clients.servers import TARGETS


class Matrix:
    """Counts by client and upstream protocol."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))

    def add(self, client: str, target: str, passed: bool) -> None:
        """Count one case."""
        self._counts[client][target].append(passed)

    def lines(self) -> list[str]:
        """Return the table as text, empty if nothing was counted."""
        if not self._counts:
            return []
        width = max(map(len, self._counts))
        lines = [" ".join([" " * width, *(f"{target:>11}" for target in TARGETS)])]
        for client, counts in sorted(self._counts.items()):
            cells = [_cell(counts.get(target, [])) for target in TARGETS]
            lines.append(" ".join([client.ljust(width), *(f"{cell:>11}" for cell in cells)]))
        return lines


def _cell(passed: list[bool]) -> str:
    if not passed:
        return "-"
    return str(len(passed)) if all(passed) else f"{sum(passed)} of {len(passed)}"
