"""Two machines behind nginx with one Redis and one PostgreSQL, all real, and all killed in turn.

    python -m bench.two_machines [--requests 2000] [--parallel 50] [--write docs/scaling.rst]

A machine is a gateway with a home of its own.  The providers are the simulator, where one of five
requests fails.  A fifth of the requests have a key with a limit.  In the middle a gateway, Redis
and PostgreSQL are killed with SIGKILL, and started again.  Then many requests at once have a key
whose budget is enough for three of them, at one machine and at two.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.balancers import nginx
from bench.clients import Request, Response, send_all
from bench.machine_report import (
    LIMIT,
    Report,
    judge_ledger,
    judge_limit,
    judge_requests,
    render,
)
from bench.machines import (
    ACCOUNTS,
    API_KEY,
    MODELS,
    OUTPUT,
    PRICE,
    Machine,
    Simulator,
    configuration,
)
from bench.table import replace_between
from tests.support.postgres import PostgresServer, running_server
from tests.support.redis import RedisServer, running_redis

TABLE: Final = "machines"
#: Seconds for which a token is used, and how much earlier than its end it is renewed.
TOKEN_LIFE, RENEW_BEFORE = 20.0, 300.0
#: Seconds for which what was killed is away.
AWAY: Final = 3.0
_LINE: Final = re.compile(r"127\.0\.0\.1:(\d+) \d+ (\S+)$")


@dataclass(frozen=True)
class Scene:
    """All that runs."""

    folder: Path
    simulator: Simulator
    #: When the first machine was started.
    began: float
    machines: tuple[Machine, Machine]
    port: int
    redis: RedisServer
    postgres: PostgresServer
    database: str

    def rows(self) -> dict[str, int]:
        """Return the attempts of all requests in the ledger, by the ids of these."""
        sql = "SELECT id, attempts FROM antigravity.requests"
        return dict(self.postgres.execute(sql, self.database))

    def failed_attempts(self) -> float:
        """Return the share of the attempts in the ledger that failed at a provider."""
        sql = "SELECT count(*), count(error) FROM antigravity.attempts"
        ((count, failed),) = self.postgres.execute(sql, self.database)
        return float(failed / max(1, count))


@contextmanager
def running_scene(*, faults: bool, keys: Callable[[Machine], object]) -> Iterator[Scene]:
    """Start everything, while the block lasts.

    :param keys: makes keys of clients at a machine that does not run yet.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(running_redis())
        # As on a real server: what was committed is on the disk.
        postgres = stack.enter_context(
            running_server(fsync="on", full_page_writes="on", synchronous_commit="on")
        )
        url = postgres.create("machines")
        simulator = Simulator(folder, TOKEN_LIFE + RENEW_BEFORE)
        began = time.time()
        stack.callback(simulator.stop)
        text = configuration(simulator.address, redis.url(), url, faults=faults)
        one, two = (Machine(folder, name, text) for name in ("one", "two"))
        keys(one)
        one.copy_keys(two)
        for machine in (one, two):
            stack.callback(machine.stop)
            machine.start()
        balancer = stack.enter_context(nginx(folder, (one.port, two.port)))
        where = (balancer.port, redis, postgres, "machines")
        yield Scene(folder, simulator, began, (one, two), *where)


class Accidents:
    """Kills a gateway, Redis and PostgreSQL, each after a share of the requests."""

    def __init__(self, scene: Scene, count: int) -> None:
        self._scene = scene
        self._left = [
            (count // 4, "gateway", self._kill_gateway),
            (count // 2, "redis", self._kill_redis),
            (count * 3 // 4, "postgres", self._kill_postgres),
        ]
        self._done = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        #: When each was killed.
        self.times: dict[str, float] = {}
        #: The rows that were committed before PostgreSQL was killed.
        self.committed: dict[str, int] = {}
        self.errors: list[str] = []

    def count(self, response: Response) -> None:
        """Count a response, and let an accident happen if it is time."""
        with self._lock:
            self._done += 1
            if not self._left or self._done < self._left[0][0]:
                return
            _, name, action = self._left.pop(0)
        thread = threading.Thread(target=self._run, args=(name, action))
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until everything runs again."""
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise RuntimeError(self.errors[0])

    def _run(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - it is raised in the main thread
            self.errors.append(f"{name}: {error!r}")

    def _kill_gateway(self) -> None:
        machine = self._scene.machines[1]
        self.times["gateway"] = time.time()
        machine.kill()
        time.sleep(AWAY)
        machine.start()

    def _kill_redis(self) -> None:
        self.times["redis"] = time.time()
        self._scene.redis.stop()
        time.sleep(AWAY)
        self._scene.redis.start()

    def _kill_postgres(self) -> None:
        self.committed = self._scene.rows()
        self.times["postgres"] = time.time()
        self._scene.postgres.stop(kill=True)
        time.sleep(AWAY)
        self._scene.postgres.start(fsync="on", full_page_writes="on", synchronous_commit="on")


def plan(count: int, limited: str) -> list[Request]:
    """Return the requests: of both protocols to all upstreams, a fifth with the limited key."""
    chosen = random.Random(7)
    return [
        Request(
            number,
            chosen.choice(("openai", "anthropic")),
            chosen.choice(list(MODELS.values())),
            stream=chosen.random() < 0.5,
            key=limited if number % 5 == 0 else API_KEY,
            text=f"[[ttft {chosen.randrange(100, 900)}ms]]",
        )
        for number in range(count)
    ]


def run_accidents(report: Report, count: int, parallel: int) -> None:
    """Send requests while machines and servers are killed, and judge what happened."""
    secrets: dict[str, str] = {}

    def make_keys(machine: Machine) -> None:
        secrets["limited"] = machine.add_key("limited", "--rpm", str(LIMIT))

    with running_scene(faults=True, keys=make_keys) as scene:
        requests = plan(count, secrets["limited"])
        accidents = Accidents(scene, count)
        began = time.time()
        responses = send_all(scene.port, requests, parallel, accidents.count)
        seconds = time.time() - began
        issued, lived = scene.simulator.tokens_issued(), time.time() - scene.began
        accidents.wait()
        rows = _settled_rows(scene, responses)
        served_by, faults = _served_by(scene), scene.failed_attempts()
        losses = [line for each in scene.machines for line in each.losses()]
    report.rows["Attempts that failed at a provider"] = f"{faults:.0%}"
    report.rows["Times that a gateway lost Redis"] = f"{len(losses)}"
    report.details += losses
    judge_requests(report, responses, accidents, seconds, rows)
    judge_limit(report, responses, accidents, secrets["limited"])
    expiries = ACCOUNTS * (1 + int(lived // TOKEN_LIFE))
    # While Redis is away, each of two gateways may renew each token once more.
    report.expect(
        "Tokens renewed / expired", issued, expiries + ACCOUNTS, shown=f"{issued} / {expiries}"
    )
    judge_ledger(report, responses, accidents, rows, served_by, scene.machines[1].port)


def _settled_rows(scene: Scene, responses: Sequence[Response]) -> dict[str, int]:
    """Return the rows of the ledger when all are there, or no more come."""
    wanted = {each.id for each in responses if each.outcome == "served"}
    deadline = time.monotonic() + 60
    rows, since = scene.rows(), time.monotonic()
    while wanted - rows.keys() and time.monotonic() < min(deadline, since + 20):
        time.sleep(0.5)
        found = scene.rows()
        if found != rows:
            rows, since = found, time.monotonic()
    return rows


def _served_by(scene: Scene) -> dict[str, int]:
    """Return the port of the gateway that served each request, from the log of nginx."""
    found = {}
    for line in (scene.folder / "nginx" / "access.log").read_text("utf-8").splitlines():
        if match := _LINE.search(line):
            found[match[2]] = int(match[1])
    return found


def attack_budget(report: Report, count: int, machines: int) -> None:
    """Send many requests at once with a key whose budget is enough for three of them."""
    cost = OUTPUT * PRICE / 1e6
    secrets: dict[str, str] = {}

    def make_keys(machine: Machine) -> None:
        secrets["poor"] = machine.add_key("poor", "--budget", f"{3 * cost:.2f}/day")

    with running_scene(faults=False, keys=make_keys) as scene:
        requests = [
            Request(
                number, "openai", MODELS["openai"], False, secrets["poor"], "[[ttft 8s]]", OUTPUT
            )
            for number in range(count)
        ]
        port = scene.port if machines == 2 else scene.machines[0].port
        responses = send_all(port, requests, count, lambda response: None)
        usage = scene.machines[0].ask("/v1/usage", secrets["poor"])["budgets"][0]
    outcomes = Counter(each.outcome for each in responses)
    place = "one machine" if machines == 1 else "two machines"
    report.expect(
        f"{count} at once on a budget for 3, {place}: served",
        abs(outcomes["served"] - 3),
        shown=f"{outcomes['served']}",
    )
    report.expect(
        f"neither served nor refused by the budget, {place}",
        outcomes["failed"] + outcomes["broken"],
    )
    report.expect(
        f"spent of the budget, {place}",
        usage["spent"],
        usage["limit"],
        shown=f"${usage['spent']:.5f} of ${usage['limit']:.2f}",
    )
    report.details += [each.detail for each in responses if each.outcome in ("failed", "broken")][
        :5
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.two_machines", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--parallel", type=int, default=50)
    parser.add_argument("--attackers", type=int, default=200)
    parser.add_argument(
        "--machines", type=int, nargs="*", default=[1, 2], help="how many to attack: 1 2"
    )
    parser.add_argument(
        "--lenient", action="store_true", help="never fail, such as on a busy machine"
    )
    parser.add_argument("--write", type=Path, help="put the table between its comments in a file")
    options = parser.parse_args(arguments)
    report = Report()
    run_accidents(report, options.requests, options.parallel)
    for machines in options.machines:
        attack_budget(report, options.attackers, machines)
    for title, value in report.rows.items():
        print(f"{title:<60}{value:>16}")
    print("\n".join(report.details))
    if options.write is not None:
        command = "python -m bench.two_machines"
        text = options.write.read_text("utf-8")
        options.write.write_text(replace_between(text, TABLE, render(report, command)), "utf-8")
    if report.problems and not options.lenient:
        raise SystemExit("; ".join(report.problems))


if __name__ == "__main__":
    main()
