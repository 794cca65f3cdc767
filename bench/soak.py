"""Look for leaks under a long, mixed load: ``python -m bench.soak --minutes 30``.

The load has requests of all sizes and protocols, tools, whole responses and streams, clients that
disconnect, and a reload every minute.  Every ten seconds it records the gateway's memory, its
descriptors, timers, sockets and threads, and the objects of the garbage collector.  It prints them,
and at the end whether the memory is flat, and whether anything is left when the gateway is idle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from bench.programs import SOURCE, Program, gateway, upstream
from bench.requests import PROTOCOLS, RequestSpec

_SAMPLE_PAUSE: Final = 10.0
_RELOAD_PAUSE: Final = 60.0
#: Seconds before the load, in which short-lived state expires; counts are written every five
#: seconds.
_SETTLING_TIME: Final = 15.0
#: The most seconds after the load until idle connections to the provider are closed.
_MAX_IDLE_TIME: Final = 300.0
#: How much the memory of the last quarter of the time may be above that of the second quarter.
_ALLOWED_GROWTH: Final = 1.03
_UPSTREAMS: Final = (*PROTOCOLS, "internal")
#: Stored responses fill the memory up to their limit, so it is small enough to be reached soon.
_CONFIGURATION: Final = """
[responses]
max_bytes = "8MiB"
"""


@dataclass(frozen=True)
class Sample:
    """The resources that a gateway uses at one time, ``minutes`` after the start of the load."""

    minutes: float
    memory: float
    descriptors: int
    timers: int = 0
    sockets: int = 0
    threads: int = 0
    objects: int = 0

    def line(self) -> str:
        """Return the sample as a line of the table."""
        counts = f"{self.descriptors:>6}{self.timers:>8}{self.sockets:>9}{self.threads:>9}"
        return f"{self.minutes:>7.1f}{self.memory:>9.1f}{counts}{self.objects:>9}"


_HEADING: Final = f"{'min':>7}{'MiB':>9}{'fds':>6}{'timers':>8}{'sockets':>9}{'threads':>9}"


def _random_spec() -> RequestSpec:
    pieces, pause = random.choice(((64, 0), (20, 50), (600, 0)))
    stream = random.random() < 0.6
    return RequestSpec(
        random.choice(PROTOCOLS),
        random.choice(_UPSTREAMS),
        stream=stream,
        pieces=pieces if stream else 4,
        pause=pause if stream else 0,
        padding=random.choices((200, 20_000, 1_000_000), (80, 17, 3))[0] + random.randrange(100),
        turns=random.choice((0, 0, 1, 4)),
        stores=True,
    )


class _Load:
    """Clients that send random requests one after the other, and often disconnect."""

    def __init__(self, port: int, until: float, pause: float) -> None:
        self._port = port
        self._until = until
        self._pause = pause
        self.outcomes: Counter[str] = Counter()

    async def run(self, clients: int) -> None:
        """Run so many clients until the end of the load."""
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while time.monotonic() < self._until:
            try:
                await self._send_one()
            except OSError as error:
                self.outcomes[type(error).__name__] += 1
            await asyncio.sleep(self._pause * random.random() * 2)

    async def _send_one(self) -> None:
        spec = replace(_random_spec(), headers={"Connection": "close"})
        request = spec.request(self._port)
        disconnects = random.random() < 0.2
        is_whole = not disconnects or random.random() < 0.7
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request if is_whole else request[: len(request) // 2])
            first = await reader.read(200) if is_whole else b""
            if not disconnects:
                while await reader.read(65536):
                    pass
            self.outcomes["disconnected" if disconnects else first[9:12].decode() or "closed"] += 1
        finally:
            writer.transport.abort() if disconnects else writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class _Soak:
    """One soak: the load, the reloads and the samples."""

    def __init__(self, program: Program, counts: Path) -> None:
        self._program = program
        self._counts = counts
        self._started = time.monotonic()

    def sample(self) -> Sample:
        """Return a sample of now, and print it."""
        counted = json.loads(self._counts.read_text()) if self._counts.exists() else {}
        minutes = (time.monotonic() - self._started) / 60
        program = self._program
        sample = Sample(minutes, program.memory(), program.descriptors(), **counted)
        print(sample.line(), flush=True)
        return sample

    async def run(self, load: _Load, clients: int) -> tuple[list[Sample], Sample, Sample]:
        """Return the samples under load, and those of the idle gateway before and after it."""
        print(f"{_HEADING}{'objects':>9}")
        await asyncio.sleep(_SETTLING_TIME)
        before = self.sample()
        self._started = reloaded = time.monotonic()
        running = asyncio.ensure_future(load.run(clients))
        samples = []
        while not running.done():
            await asyncio.wait([running], timeout=_SAMPLE_PAUSE)
            samples.append(self.sample())
            if time.monotonic() > reloaded + _RELOAD_PAUSE:
                reloaded = time.monotonic()
                self._program.reload()
        await running
        until = time.monotonic() + _MAX_IDLE_TIME
        while True:
            await asyncio.sleep(_SETTLING_TIME)
            after = self.sample()
            if not _left(before, after) or time.monotonic() > until:
                return samples, before, after


def _left(before: Sample, after: Sample) -> dict[str, int]:
    """Return how many more there are of each resource that an idle gateway must release."""
    names = ("descriptors", "timers", "sockets")
    more = {name: getattr(after, name) - getattr(before, name) for name in names}
    return {name: count for name, count in more.items() if count > 0}


def problems_of(samples: Sequence[Sample], before: Sample, after: Sample) -> list[str]:
    """Return what speaks for a leak: growing memory, or something that is left when idle."""
    found = []
    quarter = len(samples) // 4
    if quarter < 2:
        found.append("the time is too short to judge the memory")
    else:
        second = median(sample.memory for sample in samples[quarter : 2 * quarter])
        last = median(sample.memory for sample in samples[-quarter:])
        print(f"memory: {second:.1f} MiB in the second quarter, {last:.1f} MiB in the last one")
        if last > second * _ALLOWED_GROWTH:
            found.append(f"the memory grew by {last / second - 1:.1%}")
    return found + [f"{count} {name} are left" for name, count in _left(before, after).items()]


def main() -> None:
    """Run the load, and print the samples and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.2, help="mean seconds between requests")
    parser.add_argument("--source", default=str(SOURCE), help="the folder of another checkout")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = f"http://127.0.0.1:{stack.enter_context(upstream(folder)).port}"
        source, counts = Path(arguments.source).resolve(), folder / "counts.json"
        run = gateway("gateway", source, folder, address, counts, more=_CONFIGURATION)
        program = stack.enter_context(run)
        program.wait_listening()
        # The first request of each kind imports modules and opens connections that stay.
        warm_up = _Load(program.port, time.monotonic() + 5, 0)
        asyncio.run(warm_up.run(2))
        until = time.monotonic() + _SETTLING_TIME + 60 * arguments.minutes
        load = _Load(program.port, until, arguments.pause)
        result = asyncio.run(_Soak(program, counts).run(load, arguments.clients))
    outcomes = ", ".join(f"{count} {status}" for status, count in load.outcomes.most_common())
    print(f"responses: {outcomes}")
    problems = problems_of(*result)
    if problems:
        raise SystemExit("; ".join(problems))
    print("The memory is flat, and nothing is left.")


if __name__ == "__main__":
    main()
