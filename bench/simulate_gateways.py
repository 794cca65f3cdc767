"""Fifty gateways over one real Redis server, while some join, leave and vanish, and Redis does.

    python -m bench.simulate_gateways [--gateways 50] [--period 10] [--write docs/capacity.rst]

The gateways have the real clients of shared state and of tokens, but no HTTP and no provider; see
``fleet.py``.  Limits are counted in a short period in the place of a minute, so that several fit
into a phase.  Each key asks for twice its limit.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, react

from antigravity.state.shared import SharedState
from bench.fleet import KINDS, Figures, Key, Load, Node, Provider, claims_of, settlements_of
from bench.load import percentile
from bench.table import replace_between
from tests.support.redis import RedisServer, running_redis

LIMITS: Final = (10, 50, 200)
TABLE: Final = "gateways"
#: Commands that a gateway sends; those in scripts are not counted.
_COMMANDS: Final = ("eval", "evalsha", "get", "set", "del", "publish", "subscribe", "info")


class Simulation:
    """The gateways, the load and the phases."""

    def __init__(
        self,
        reactor: Any,
        redis: RedisServer,
        gateways: int,
        period: float,
        keys: Sequence[Key],
    ) -> None:
        self._reactor = reactor
        self._redis = redis
        self._gateways = gateways
        self._period = period
        self.provider = Provider(reactor, 20, 2 * period)
        self._nodes: list[Node] = []
        self._load = Load(reactor, keys, period, 2000, self._nodes)
        self.results: dict[str, Figures] = {}

    async def run(self) -> None:
        """Run all phases."""
        some = max(1, self._gateways // 5)
        await self._join(self._gateways)
        await self._phase(None, 1)  # connections are opened, and tokens are fetched
        await self._phase(f"{self._gateways} gateways", 3)
        await self._phase(f"{some} join", 2, lambda: self._join(some))
        await self._phase(f"{some} stop", 2, lambda: self._leave(some, kill=False))
        await self._phase(f"{some} are killed", 2, lambda: self._leave(some, kill=True))
        await self._join(some)
        await self._phase("Redis is killed, and away", 2, self._lose_redis)
        await self._phase("Redis is back, empty", 2, self._return_redis)
        await self._phase("after that", 3)
        await self._leave(len(self._nodes), kill=False)

    async def _join(self, count: int) -> None:
        added = [
            Node(self._reactor, self.provider, len(self._nodes) + number) for number in range(count)
        ]
        await gatherResults(
            [Deferred.fromCoroutine(each.start(self._redis.url())) for each in added]
        )
        self._nodes += added

    async def _leave(self, count: int, *, kill: bool) -> None:
        living = [each for each in self._nodes if each.is_alive][:count]
        await gatherResults([Deferred.fromCoroutine(each.stop(kill=kill)) for each in living])

    async def _lose_redis(self) -> None:
        self._redis.stop()

    async def _return_redis(self) -> None:
        self._redis.start()

    async def _phase(self, title: str | None, periods: int, change: Any = None) -> None:
        """Let something happen, and send requests for some periods."""
        figures = self.provider.figures = Figures()
        before = self._server_figures()
        locks = LoopingCall(self.provider.lock, self._period / 4)
        locks.clock = self._reactor
        locks.start(self._period / 2, now=False)
        running = Deferred.fromCoroutine(self._load.run(periods * self._period, figures))
        if change is not None:
            await change()
        await running
        locks.stop()
        after = self._server_figures()
        if after is not None:
            began = (0, 0.0) if before is None else before
            figures.commands, figures.cpu = after[0] - began[0], after[1] - began[1]
        if title is not None:
            self.results[title] = figures

    def _server_figures(self) -> tuple[int, float] | None:
        """Return the commands and the CPU seconds of the server, ``None`` while it is away."""
        try:
            lines = self._redis.send("INFO everything").decode().splitlines()
        except AssertionError:
            return None
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        commands = sum(
            int(value.partition("calls=")[2].partition(",")[0])
            for name, value in values.items()
            if name.partition("cmdstat_")[2].partition("|")[0] in _COMMANDS
        )
        return commands, float(values["used_cpu_user"]) + float(values["used_cpu_sys"])


def _rows(results: dict[str, Figures], keys: Sequence[Key]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table: a title, and a cell for each phase."""
    phases = list(results.values())

    def row(title: str, cell: Any) -> tuple[str, list[str]]:
        return title, [cell(each) for each in phases]

    def milliseconds(part: float) -> Any:
        return lambda each: f"{percentile(each.claims, part) or 0:.1f}"

    def per_second(value: Any) -> Any:
        return lambda each: f"{value(each) / each.seconds:,.0f}"

    return [
        row("Requests per second", per_second(lambda each: each.requests)),
        row("Granted per second", per_second(lambda each: each.granted)),
        row("Not decided", lambda each: f"{each.failed}"),
        *(
            row(
                f"Most of a limit of {key.limit:,}",
                lambda each, key=key: f"{each.used[key.name]:.0%}",
            )
            for key in keys
        ),
        row("Claim, median, ms", milliseconds(0.5)),
        row("Claim, 99th percentile, ms", milliseconds(0.99)),
        row("Redis operations per second", per_second(lambda each: each.commands)),
        row(
            "CPU of Redis for an operation, µs",
            lambda each: f"{each.cpu / each.commands * 1e6:.0f}" if each.commands else "-",
        ),
        row("Refreshes of tokens", lambda each: f"{each.refreshes}"),
        row("More than needed", lambda each: f"{each.needless}"),
        row("Locks of accounts", lambda each: f"{each.locks}"),
        row("Requests to locked accounts", lambda each: f"{each.refused}"),
        row("Sessions that moved", lambda each: f"{each.moved}"),
        row("Without need", lambda each: f"{each.moved_needlessly}"),
    ]


def render(results: dict[str, Figures], keys: Sequence[Key], gateways: int, period: float) -> str:
    """Return the table in reStructuredText."""
    lines = [f".. list-table:: {gateways} gateways over one Redis", "   :header-rows: 1", ""]
    lines += ["   * -", *(f"     - {title}" for title in results)]
    for title, cells in _rows(results, keys):
        lines += [f"   * - {title}", *(f"     - {cell}" for cell in cells)]
    command = "python -m bench.simulate_gateways"
    if (gateways, period) != (50, 10.0):
        command += f" --gateways {gateways} --period {period:g}"
    lines += ["", f":Date: {datetime.now(UTC):%Y-%m-%d}", f":Python: {platform.python_version()}"]
    return "\n".join([*lines, f":Command: ``{command}``", ""])


def text(results: dict[str, Figures], keys: Sequence[Key]) -> str:
    """Return the figures for a terminal, a phase after the other."""
    rows = _rows(results, keys)
    found = []
    for index, title in enumerate(results):
        found += [title, *(f"    {name:<34}{cells[index]:>10}" for name, cells in rows)]
    return "\n".join(found)


async def measure_cost(
    reactor: Any, count: int = 20_000, parallel: int = 50
) -> tuple[float, float]:
    """Return the CPU seconds of one operation, those of Redis and those of the gateway.

    An operation is a claim of requests, tokens and a slot, or its settlement, at full speed.
    """
    with running_redis() as redis:
        state = SharedState(reactor)
        await state.use(redis.url(), "refuse", KINDS)
        numbers = iter(range(count // 2))

        async def work() -> None:
            for number in numbers:
                claim = claims_of(Key("some", 10**9), f"{number}", 60.0)
                claimed = await state.claim(claim)
                await state.settle(settlements_of("some", f"{number}", claimed, 60.0))

        before, began = _cpu(redis), time.process_time()
        await gatherResults([Deferred.fromCoroutine(work()) for _ in range(parallel)])
        used = _cpu(redis) - before, time.process_time() - began
        await state.stop()
    return used[0] / count, used[1] / count


def _cpu(redis: RedisServer) -> float:
    lines = redis.send("INFO cpu").decode().splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(values["used_cpu_user"]) + float(values["used_cpu_sys"])


async def simulate(
    reactor: Any, gateways: int, period: float, keys: Sequence[Key]
) -> dict[str, Figures]:
    """Return the figures of each phase."""
    with running_redis() as redis:
        simulation = Simulation(reactor, redis, gateways, period, keys)
        await simulation.run()
        return simulation.results


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulation, and print or write what happened."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulate_gateways", description=__doc__)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--period", type=float, default=10.0, help="seconds of a limit")
    parser.add_argument(
        "--limits", type=int, nargs="+", default=LIMITS, help="of the keys, in a period"
    )
    parser.add_argument("--cost", action="store_true", help="measure the CPU of an operation only")
    parser.add_argument("--write", type=Path, help="put the table between its comments in a file")
    options = parser.parse_args(arguments)
    keys = [Key(f"limit-{limit}", limit) for limit in options.limits]

    if options.cost:

        def run_cost(reactor: Any) -> Deferred[None]:
            done = Deferred.fromCoroutine(measure_cost(reactor))
            return done.addCallback(
                lambda found: print(
                    f"{found[0] * 1e6:.0f} µs of Redis and {found[1] * 1e6:.0f} µs of the gateway "
                    "for an operation"
                )
            )

        react(run_cost, _reactor=default_reactor)

    def run(reactor: Any) -> Deferred[None]:
        done = Deferred.fromCoroutine(simulate(reactor, options.gateways, options.period, keys))
        return done.addCallback(show)

    def show(results: dict[str, Figures]) -> None:
        print(text(results, keys), flush=True)
        if options.write is not None:
            table = render(results, keys, options.gateways, options.period)
            page = replace_between(options.write.read_text("utf-8"), TABLE, table)
            options.write.write_text(page, "utf-8")

    react(run, _reactor=default_reactor)


if __name__ == "__main__":
    main()
