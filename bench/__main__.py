"""Compare the gateway with a plain proxy and with other gateways: ``python -m bench``.

Run it in the folder of the source.  ``docs/performance.rst`` explains the figures.  Rounds are
interleaved, and the table has the medians of all rounds, with their ratios to the plain proxy's.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import http2, pairs
from bench.cases import CASES, ROWS, Row
from bench.certificates import write_certificate
from bench.machine import facts
from bench.peers import (
    FLOOR,
    PEERS_FILE,
    Column,
    Place,
    direct_column,
    floor_column,
    our_columns,
    peer_columns,
)
from bench.programs import SOURCE, Program, upstream
from bench.rounds import Rounds, measure_round
from bench.table import Results, markdown, replace_between, rst

TITLES: Final = {
    "main": "One process of each, a provider without TLS",
    "tls": "One process of each, a provider with TLS",
    "http2": "HTTP/2 clients, with nginx in front",
    "pairs": "All pairs of protocols",
}
_RESULTS = SOURCE / "build" / "bench.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("cases", nargs="*", help=f"cases of the main table: {', '.join(CASES)}; default: all")
    add("--rounds", type=int, default=3)
    add("--pace", type=float, default=1.0, help="factor for the length of each load")
    add("--tls", action="store_true", help="the same table, with a provider that speaks TLS")
    add("--http2", action="store_true", help="the table of HTTP/2 clients, through nginx")
    add("--pairs", action="store_true", help="the table of all pairs of protocols")
    add("--all", action="store_true", help="the main table, and those of the three options above")
    add("--peers", type=Path, help="the folder in which other gateways are installed")
    add("--peers-file", type=Path, default=PEERS_FILE, help="how they are started")
    add("--only", nargs="+", metavar="COLUMN", help="names of columns, or prefixes of names")
    add(
        "--also", action="append", default=[], metavar="NAME=FOLDER", help="also measure a checkout"
    )
    add("--results", type=Path, default=_RESULTS, help="the file for the results")
    add("--reuse", action="store_true", help="measure nothing; show the tables in --results")
    add("--write", type=Path, metavar="FILE", help="put the tables into this reStructuredText file")
    return parser.parse_args()


def _wanted_tables(arguments: argparse.Namespace) -> list[str]:
    if arguments.all:
        return list(TITLES)
    return [name for name in ("tls", "http2", "pairs") if getattr(arguments, name)] or ["main"]


def _columns(
    arguments: argparse.Namespace, name: str, program: Program, notes: list[str]
) -> list[Column]:
    """Return the columns to measure, and add notes on the peers that are missing."""
    sources = {"gateway": SOURCE}
    sources |= {k: Path(v).resolve() for k, _, v in (i.partition("=") for i in arguments.also)}
    columns = [floor_column(""), *our_columns(sources)]
    if name != "http2":
        peers, missing = peer_columns(arguments.peers_file, arguments.peers or SOURCE / "build")
        proxies = [column for column in peers if column.name == "nginx"]
        others = [column for column in peers if column.name != "nginx"]
        # The clients speak no TLS, so they cannot ask a provider that does.
        direct = [direct_column(program)] if name == "main" else []
        columns = [*direct, *proxies, *columns, *others]
        notes += missing
    only = arguments.only
    if only:
        kept = ("direct", FLOOR, *only)
        columns = [column for column in columns if column.name.startswith(kept)]
    return columns


def _measure(arguments: argparse.Namespace, name: str, once: Callable[[Rounds], None]) -> Rounds:
    rounds = Rounds()
    for number in range(arguments.rounds):
        print(f"{TITLES[name]}: round {number + 1} of {arguments.rounds}", file=sys.stderr)
        once(rounds)
    return rounds


def _run_table(arguments: argparse.Namespace, name: str) -> tuple[Results, bool]:
    """Measure a table, and return it and whether all responses of the gateway were right."""
    notes: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate = write_certificate(folder) if name == "tls" else None
        program = stack.enter_context(upstream(folder, certificate))
        scheme, env = "http", {}
        if certificate is not None:
            trusted = str(certificate[0])
            scheme, env = "https", {"SSL_CERT_FILE": trusted, "NODE_EXTRA_CA_CERTS": trusted}
        peers = arguments.peers or Path()
        place = Place(folder, scheme, program.port, peers, env)
        rows: Sequence[Row] = ROWS
        if name == "pairs":
            titles = pairs.columns()
            rounds = _measure(
                arguments, name, lambda r: pairs.measure_pairs(r, place, arguments.pace)
            )
            rows, version = pairs.ROWS, ""
        else:
            is_main = name != "http2"
            columns = _columns(arguments, name, program, notes)
            cases = [CASES[case] for case in arguments.cases or CASES]

            def once(rounds: Rounds) -> None:
                if is_main:
                    measure_round(rounds, columns, cases, place, arguments.pace)
                else:
                    http2.measure_http2(rounds, columns, place, arguments.pace)

            rounds = _measure(arguments, name, once)
            rows = ROWS if is_main else http2.ROWS
            titles = {c.name: c.title for c in columns if c.name in rounds.values}
            version = ", ".join(dict.fromkeys(c.version for c in columns if c.version))
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    results = Results(
        TITLES[name],
        facts(command, version),
        titles,
        rounds.values,
        FLOOR,
        [*notes, *rounds.notes],
        [asdict(row) for row in rows],
    )
    return results, not rounds.has_failed


def _read(file: Path) -> dict[str, Results]:
    if not file.exists():
        return {}
    return {name: Results(**fields) for name, fields in json.loads(file.read_text()).items()}


def _store(file: Path, stored: dict[str, Results]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: asdict(r) for name, r in stored.items()}, indent=1))


def main() -> None:
    """Measure the wanted tables, show them, and write them to a file."""
    arguments = _arguments()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        raise SystemExit(
            f"Unknown case {', '.join(sorted(unknown))}: there are {', '.join(CASES)}."
        )
    stored = _read(arguments.results)
    wanted = _wanted_tables(arguments)
    all_right = True
    if arguments.reuse:
        wanted = [name for name in TITLES if name in stored]
    for name in () if arguments.reuse else wanted:
        missing = http2.missing_programs() if name == "http2" else []
        if missing:
            print(f"The table {name} is left out: {', '.join(missing)} is missing.")
            continue
        stored[name], is_right = _run_table(arguments, name)
        all_right = all_right and is_right
        _store(arguments.results, stored)
    for name in wanted:
        if name in stored:
            print(markdown(stored[name]), end="\n\n", flush=True)
    if arguments.write is not None:
        text = arguments.write.read_text()
        for name in wanted:
            if name in stored:
                text = replace_between(text, name, rst(stored[name]))
        arguments.write.write_text(text)
    if not all_right:
        raise SystemExit("Some responses of the gateway were wrong; see the notes.")


if __name__ == "__main__":
    main()
