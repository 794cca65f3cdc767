"""What a number of requests per second needs: ``python -m bench.capacity --write``.

It computes the table of ``docs/capacity.rst`` from the measured costs in ``docs/performance.rst``
and from those below, for two kinds of request.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "capacity.rst"
#: The table is between these comments.
BEGIN, END = ".. capacity begins\n", ".. capacity ends\n"
#: The column of the main table of the benchmarks: translated requests.
COLUMN = "antigravity, Anthropic → Gemini"
RATES = (100, 1_000, 10_000)
DAY = 86_400
#: The share of a core that a worker should use on average, so that peaks do not queue.
UTILISATION = 0.6
#: The streams that the case C500 of the benchmarks has open.
STREAMS = 500


@dataclass(frozen=True)
class Costs:
    """Measured costs of one worker and one request."""

    #: CPU seconds of a request with a whole response.
    request: float
    #: CPU seconds of a chunk that arrives alone.
    chunk: float
    #: MiB of an idle worker, and of each open stream.
    idle: float
    stream: float
    #: CPU seconds of the gateway for a row in the ledger, in a file and on a PostgreSQL server
    #: (``python -m bench.ledger``).
    sqlite_row: float = 62e-6
    postgres_row: float = 69e-6
    #: GiB of a million requests on a PostgreSQL server, with indexes and attempts.
    postgres_million: float = 0.9
    #: Round trips of a request whose limits are on Redis: the claim, and the release at the end;
    #: and the CPU seconds of Redis and of the gateway for each
    #: (``python -m bench.simulate_gateways --cost``).
    round_trips: int = 2
    redis_operation: float = 50e-6
    state_operation: float = 250e-6


@dataclass(frozen=True)
class Load:
    """A kind of request: its chunks (0: a whole response), and how long it is open."""

    title: str
    chunks: int
    seconds: float


LOADS = (
    Load("whole responses, 2 s each", 0, 2.0),
    Load("streams of 100 chunks in 10 s", 100, 10.0),
)


@dataclass(frozen=True)
class Needs:
    """What a load needs: cores of CPU time, workers, MiB of all of them, and so on."""

    cores: float
    workers: int
    open_requests: float
    memory: float
    redis: float
    redis_cores: float
    rows: float
    disk: float


def read_costs(text: str) -> Costs:
    """Return the costs from the page of the benchmarks.

    :raises ValueError: if a row or the column is missing.
    """
    rows = _main_table(text)
    try:
        column = rows[""].index(COLUMN)

        def figure(name: str) -> float:
            return float(rows[name][column].split()[0].replace(",", ""))

        idle = figure("Memory, idle, MiB")
        return Costs(
            request=figure("A32, CPU per request, ms") / 1e3,
            chunk=figure("C500, CPU per chunk, µs") / 1e6,
            idle=idle,
            stream=(figure("C500, memory, MiB") - idle) / STREAMS,
        )
    except KeyError as missing:
        raise ValueError(f"The main table of the benchmarks has no row {missing}.") from None


def _main_table(text: str) -> dict[str, list[str]]:
    table = text.partition(".. table main begins")[2].partition(".. table main ends")[0]
    rows = {}
    for entry in re.split(r"^   \* -", table, flags=re.MULTILINE)[1:]:
        name, *cells = (cell.strip() for cell in re.split(r"^     - ", entry, flags=re.MULTILINE))
        rows[name] = [cell.splitlines()[0] for cell in cells]
    return rows


def needs(costs: Costs, load: Load, rate: float) -> Needs:
    """Return what a load needs at a rate of requests per second."""
    row = max(costs.sqlite_row, costs.postgres_row)
    state = costs.round_trips * costs.state_operation
    cores = rate * (costs.request + load.chunks * costs.chunk + row + state)
    workers = max(1, math.ceil(cores / UTILISATION))
    open_requests = rate * load.seconds
    return Needs(
        cores=cores,
        workers=workers,
        open_requests=open_requests,
        memory=workers * costs.idle + open_requests * costs.stream,
        redis=rate * costs.round_trips,
        redis_cores=rate * costs.round_trips * costs.redis_operation,
        rows=rate * DAY,
        disk=rate * DAY / 1e6 * costs.postgres_million,
    )


def _number(value: float) -> str:
    """Return a number with two significant digits at least, and thousands separated."""
    if value >= 10 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}"


def _size(mebibytes: float) -> str:
    return f"{_number(mebibytes / 1024)} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"


def render(costs: Costs) -> str:
    """Return the costs and the table of needs, in reStructuredText."""
    measured = (
        ("CPU of a request", f"{costs.request * 1e3:.2f} ms"),
        ("CPU of a chunk that arrives alone", f"{costs.chunk * 1e6:.0f} µs"),
        ("Memory of an idle worker", f"{costs.idle:.0f} MiB"),
        ("Memory of an open stream", f"{costs.stream * 1024:.0f} KiB"),
        ("CPU of writing a row into a ledger file", f"{costs.sqlite_row * 1e6:.0f} µs"),
        ("CPU of writing a row to a PostgreSQL server", f"{costs.postgres_row * 1e6:.0f} µs"),
        ("Disk of a million requests on PostgreSQL", f"{costs.postgres_million} GiB"),
        ("Redis round trips of a request with shared limits", f"{costs.round_trips}"),
        ("CPU of the gateway for a round trip", f"{costs.state_operation * 1e6:.0f} µs"),
        ("CPU of Redis for a round trip", f"{costs.redis_operation * 1e6:.0f} µs"),
    )
    lines = ["", ".. list-table:: Costs", "   :widths: 70 30", ""]
    for name, value in measured:
        lines += [f"   * - {name}", f"     - {value}"]
    for load in LOADS:
        every = [needs(costs, load, rate) for rate in RATES]
        rows = {
            "CPU, cores": [_number(each.cores) for each in every],
            "Workers": [_number(each.workers) for each in every],
            "Open requests": [_number(each.open_requests) for each in every],
            "Memory of all workers": [_size(each.memory) for each in every],
            "Redis operations per second": [_number(each.redis) for each in every],
            "CPU of Redis, cores": [_number(each.redis_cores) for each in every],
            "PostgreSQL rows per day, millions": [_number(each.rows / 1e6) for each in every],
            "PostgreSQL disk per day": [_size(each.disk * 1024) for each in every],
        }
        lines += ["", f".. list-table:: {load.title.capitalize()}", "   :header-rows: 1"]
        lines += ["   :widths: 40 20 20 20", "", "   * - Requests per second"]
        lines += [f"     - {rate:,}" for rate in RATES]
        for name, cells in rows.items():
            lines += [f"   * - {name}", *(f"     - {cell}" for cell in cells)]
    return "\n".join([*lines, "", ""])


def main() -> None:
    """Show the tables, or write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    tables = render(read_costs((DOCS / "performance.rst").read_text("utf-8")))
    if parser.parse_args().write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(before + BEGIN + tables + END + rest.partition(END)[2], "utf-8")
    else:
        print(tables)


if __name__ == "__main__":
    main()
