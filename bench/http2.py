"""The table of HTTP/2 clients: ``h2load`` sends to nginx, and nginx to the gateway."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.cases import Row
from bench.load import percentile
from bench.peers import Column, Place
from bench.programs import Program, free_port, running
from bench.requests import RequestSpec
from bench.rounds import Rounds, in_turn, spec_of

_NGINX = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_buffer_size 4m;
    client_body_temp_path body_tmp;
    proxy_temp_path proxy_tmp;
    fastcgi_temp_path fastcgi_tmp;
    uwsgi_temp_path uwsgi_tmp;
    scgi_temp_path scgi_tmp;
    keepalive_requests 1000000;
    upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 1024; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} http2 backlog=4096;
        http2_max_concurrent_streams 1000;
        location / {{
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host:$server_port;
            proxy_buffering off;
        }}
    }}
}}
"""
_DONE = re.compile(r"(\d+) succeeded, \d+ failed.*?status codes: (\d+) 2xx", re.DOTALL)
_SIZE = re.compile(r"traffic: .*\((\d+)\) data")
#: The size of the shortest event with a piece of text.
_PIECE_SIZE = 90


@dataclass(frozen=True)
class _Case:
    """``requests`` over ``connections``, each with up to ``streams`` at a time."""

    name: str
    requests: int
    connections: int
    streams: int
    spec: RequestSpec


_CASES: Final = (
    _Case("A32", 3000, 4, 8, RequestSpec("", "")),
    _Case("B32", 400, 4, 8, RequestSpec("", "", stream=True)),
    _Case("C500", 1000, 10, 50, RequestSpec("", "", stream=True, pieces=20, pause=100)),
)
ROWS: Final = [
    Row("A32 cpu", "A32 over HTTP/2, CPU per request", "ms"),
    Row("A32 nginx", "the same, CPU of nginx", "ms"),
    Row("A32 p99", "A32 over HTTP/2, round trip, 99th percentile", "ms"),
    Row("B32 cpu", "B32 over HTTP/2, CPU per chunk", "µs"),
    Row("B32 nginx", "the same, CPU of nginx", "µs"),
    Row("C500 cpu", "C500 over HTTP/2, CPU per chunk", "µs"),
    Row("C500 nginx", "the same, CPU of nginx", "µs"),
]


def missing_programs() -> list[str]:
    """Return the programs that are needed and missing."""
    return [name for name in ("nginx", "h2load") if shutil.which(name) is None]


@contextmanager
def _nginx(folder: Path, gateway: Program) -> Iterator[Program]:
    port = free_port()
    home = folder / f"nginx-{port}"
    home.mkdir()
    file = home / "nginx.conf"
    file.write_text(_NGINX.format(gateway=gateway.port, port=port))
    command = ["nginx", "-p", str(home), "-c", str(file)]
    with running(f"nginx-{port}", command, port, folder, {}) as program:
        program.wait_listening()
        yield program


def measure_http2(rounds: Rounds, columns: Sequence[Column], place: Place, pace: float) -> None:
    """Run the cases with all columns once, and add their values."""
    found: dict[str, dict[str, float]] = {}
    number = max((len(values) for values in rounds.values.values()), default=0)
    with ExitStack() as stack:
        programs: dict[str, tuple[Program, Program]] = {}
        for column in columns:
            program = stack.enter_context(column.start(place))
            program.wait_serving(spec_of(column, place))
            programs[column.name] = program, stack.enter_context(_nginx(place.folder, program))
        for case in _CASES:
            for column in in_turn(columns, number):
                gateway, nginx = programs[column.name]
                try:
                    values = _measure(case, column, gateway, nginx, place, pace)
                except RuntimeError as error:
                    rounds.add_fault(column, f"{case.name}: {error}")
                else:
                    found.setdefault(column.name, {}).update(values)
    for name, values in found.items():
        rounds.values.setdefault(name, []).append(values)


def _measure(
    case: _Case, column: Column, gateway: Program, nginx: Program, place: Place, pace: float
) -> dict[str, float]:
    shape = case.spec
    spec = replace(
        spec_of(column, place), stream=shape.stream, pieces=shape.pieces, pause=shape.pause
    )
    count = max(100, round(case.requests * pace))
    _h2load(case, spec, nginx.port, 100, place.folder)
    before = gateway.cpu(), nginx.cpu()
    times = _h2load(case, spec, nginx.port, count, place.folder)
    units, factor = (count * spec.pieces, 1e6) if spec.stream else (count, 1e3)
    values = {
        f"{case.name} cpu": (gateway.cpu() - before[0]) / units * factor,
        f"{case.name} nginx": (nginx.cpu() - before[1]) / units * factor,
    }
    p99 = percentile(times, 0.99)
    return values if p99 is None else values | {f"{case.name} p99": p99}


def _h2load(case: _Case, spec: RequestSpec, port: int, count: int, folder: Path) -> list[float]:
    """Send the requests, and return the round trips in ms.

    :raises RuntimeError: if a response is wrong.
    """
    path, body = spec.body()
    data, log = folder / "h2load-body.json", folder / "h2load.log"
    data.write_bytes(body)
    log.unlink(missing_ok=True)
    headers = spec.lines() | {"Content-Type": "application/json"}
    command = ["h2load", f"--requests={count}", f"--clients={case.connections}"]
    command += [f"--max-concurrent-streams={case.streams}", f"--data={data}", f"--log-file={log}"]
    for name, value in headers.items():
        command += ["-H", f"{name.lower()}: {value}"]
    command.append(f"http://127.0.0.1:{port}{path}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    counts, size = _DONE.search(done.stdout), _SIZE.search(done.stdout)
    if counts is None or size is None or counts.groups() != (str(count), str(count)):
        raise RuntimeError(f"h2load: {(done.stdout + done.stderr)[-500:]}")
    if spec.stream and int(size[1]) < count * spec.pieces * _PIECE_SIZE:
        raise RuntimeError("the streams are too short")
    # Its lines are: start in µs, status, duration in µs.
    lines = (line.split("\t") for line in log.read_text().splitlines())
    return [int(fields[2]) / 1000 for fields in lines]
