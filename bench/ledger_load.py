"""How the ledger keeps up with many requests: 10,000 a minute, for five minutes.

    python -m bench.ledger_load [--minutes 5] [--rate 10000]

Old rows are deleted meanwhile, and a page of the list is asked for every second.  It prints how
late the event loop was, how many rows waited, what was lost, and the processor time of one row
with its share of all that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater, react

from antigravity.daemon.interpreter import SWITCH_INTERVAL
from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.ledger.answers import answer_requests
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.rows import Cost
from antigravity.ledger.service import Ledger

reactor: Any = default_reactor
_TICK: Final = 0.01
_MAX_BYTES: Final = 8 * 2**20


def make_record(number: int) -> ExchangeRecord:
    """Return a finished exchange."""
    model = f"model-{number % 12}"
    return ExchangeRecord(
        id=f"req_{number:024x}",
        protocol="anthropic",
        operation="generate",
        model=model,
        mapped_model=model,
        started=time.time() - 2,
        principal="0123456789abcdef",
        outcome="ok",
        status=200,
        usage=Usage(input_total=2000, cached=1500, output=700),
        first_byte=0.5,
        duration=2.0,
        session=f"session-{number // 300}",
        attempts=[AttemptRecord("google", model, f"google-{number % 4}", "gemini", False, 0.1, 2)],
    )


@inlineCallbacks
def measure(_: Any, minutes: float, rate: float) -> Any:
    """Add records at a rate, and print what became of them."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    with tempfile.TemporaryDirectory() as directory:
        bounds = Bounds(max_age=0, max_bytes=_MAX_BYTES)
        path = Path(directory) / "ledger.db"
        ledger = Ledger(reactor, path, bounds, lambda record: Cost(1, 1, "bench"))
        ledger.startService()
        began = reactor.seconds()
        used, sent, waiting, asked = time.process_time(), 0, 0, 0
        late: list[float] = []
        while (elapsed := reactor.seconds() - began) < minutes * 60:
            while sent < elapsed * rate / 60:
                ledger.add(make_record(sent))
                sent += 1
            waiting = max(waiting, ledger.status().waiting)
            if elapsed >= asked:
                asked += 1
                yield ledger.ask(lambda reader: answer_requests(reader, RequestQuestion()))
            before = reactor.seconds()
            yield deferLater(reactor, _TICK)
            late.append(reactor.seconds() - before - _TICK)
        while ledger.status().waiting:
            yield ledger.flush()
        used, status = time.process_time() - used, ledger.status()
        yield ledger.stopService()
        shares = quantiles(late, n=1000)
        print(
            f"{sent:,} rows in {minutes:g} minutes: {status.lost} lost, {waiting} waited at most, "
            f"{status.size / 2**20:.1f} MiB at the end; the event loop was late by "
            f"{shares[989] * 1000:.1f} ms (99 %), {max(late) * 1000:.1f} ms at most; "
            f"{used / sent * 1e6:.0f} µs of processor time for each row"
        )


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=10_000, help="requests a minute")
    options = parser.parse_args()
    react(measure, (options.minutes, options.rate))


if __name__ == "__main__":
    main()
