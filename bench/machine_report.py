"""What a run of two machines has shown: the rows of its table, and what should not be."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from bench.clients import Response

#: Requests per minute of the limited key; it asks for more.
LIMIT: Final = 100
#: What a process that is killed may lose of its ledger, in seconds.
ALLOWED_LOSS: Final = 0.2


class Losses(Protocol):
    """What was killed: when, and the rows that PostgreSQL had committed before."""

    times: dict[str, float]
    committed: dict[str, int]


@dataclass
class Report:
    """What happened, in the order of the table."""

    rows: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def expect(self, title: str, value: float, most: float = 0, shown: str = "") -> None:
        """Add a row, and a problem if the value is larger than it may be."""
        self.rows[title] = shown or f"{value:g}"
        if value > most:
            self.problems.append(f"{title}: {value:g}, at most {most:g}")


def judge_requests(
    report: Report,
    responses: Sequence[Response],
    accidents: Losses,
    seconds: float,
    rows: Mapping[str, int],
) -> None:
    """Count what became of the requests.

    :param rows: the attempts of the requests in the ledger, by their ids.
    """
    outcomes = Counter(each.outcome for each in responses)
    report.rows["Requests"] = f"{len(responses):,}"
    report.rows["Seconds"] = f"{seconds:.0f}"
    report.rows["Served"] = f"{outcomes['served']:,}"
    report.rows["Refused by the limit"] = f"{outcomes['limited']:,}"
    killed = accidents.times.get("gateway", 0.0)
    lost = [
        each
        for each in responses
        if each.outcome == "broken" and each.began <= killed <= each.ended + 0.5
    ]
    report.rows["Streams of the killed gateway that had begun"] = f"{len(lost)}"
    # Every attempt of these failed at a provider, and the gateway made all that it may.
    hopeless = [
        each
        for each in responses
        if each.outcome == "failed"
        and (rows.get(each.id, 0) > 1 or _is_lost_error(each, rows, accidents))
    ]
    report.rows["Failed at a provider in all attempts"] = f"{len(hopeless)}"
    avoidable = [
        each
        for each in responses
        if each.outcome in ("failed", "broken") and each not in (*lost, *hopeless)
    ]
    report.expect("Failures that another gateway could have avoided", len(avoidable))
    report.details += [
        f"{each.request.number} {each.outcome} after {each.ended - each.began:.1f} s: {each.detail}"
        for each in avoidable[:20]
    ]


def _is_lost_error(response: Response, rows: Mapping[str, int], accidents: Losses) -> bool:
    """Return whether the killed gateway had reported an error, and lost its row."""
    killed = accidents.times.get("gateway", 0.0)
    is_near = killed - 1.0 < response.ended < killed + 0.1
    return is_near and response.id not in rows and '"error"' in response.detail


def judge_limit(report: Report, responses: Sequence[Response], accidents: Losses, key: str) -> None:
    """Count what was granted to a key with a limit."""
    granted = [each for each in responses if each.request.key == key and each.outcome != "limited"]
    lost = accidents.times.get("redis", float("inf"))
    # A request that had begun a moment before may have been counted a moment after.
    before = [each.began for each in granted if each.began < lost - 1.0]
    most = max((sum(end - 60 < each <= end for each in before) for end in before), default=0)
    title = f"Beyond the limit of {LIMIT} in a minute, before Redis was lost"
    report.expect(title, max(0, most - LIMIT))
    # Then the gateways grant half of it each, and count from zero when Redis is back, empty.
    after = len(granted) - len(before)
    report.expect("Granted after Redis had lost its counts", after, 2 * LIMIT)


def judge_ledger(
    report: Report,
    responses: Sequence[Response],
    accidents: Losses,
    rows: Mapping[str, int],
    served_by: Mapping[str, int],
    killed_port: int,
) -> None:
    """Count the rows of the ledger that are missing.

    :param served_by: the port of the gateway of each request.
    :param killed_port: that of the gateway that was killed.
    """
    report.rows["Rows before PostgreSQL was killed"] = f"{len(accidents.committed):,}"
    report.expect("Committed rows lost", len(accidents.committed.keys() - rows.keys()))
    missing = [each for each in responses if each.outcome == "served" and each.id not in rows]
    killed = accidents.times.get("gateway", 0.0)
    of_killed = [
        each
        for each in missing
        if served_by.get(each.id) == killed_port and each.ended <= killed + 0.1
    ]
    report.expect("Rows lost in all other ways", len(missing) - len(of_killed))
    oldest = max((killed - each.ended for each in of_killed), default=0.0)
    report.expect(
        "Rows that the killed gateway lost",
        oldest,
        ALLOWED_LOSS,
        shown=f"{len(of_killed)}, of its last {max(0.0, oldest) * 1000:.0f} ms",
    )


def render(report: Report, command: str) -> str:
    """Return the table in reStructuredText."""
    lines = [".. list-table:: Two machines, while each part is killed", "   :widths: 70 30", ""]
    for title, value in report.rows.items():
        lines += [f"   * - {title}", f"     - {value}"]
    facts = (f":Date: {datetime.now(UTC):%Y-%m-%d}", f":Python: {platform.python_version()}")
    return "\n".join([*lines, "", *facts, f":Command: ``{command}``", ""])
