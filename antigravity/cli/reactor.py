"""Run a coroutine in a reactor of its own, for a command."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor

from antigravity.transport.client import HttpTransport

T = TypeVar("T")


def run(work: Callable[[Any, HttpTransport], Coroutine[Deferred[Any], Any, T]]) -> T:
    """Return the result of ``work``, which is called with a reactor and an HTTP client.

    :raises click.Abort: if the user interrupts it.
    """
    reactor = SelectReactor()
    results: list[T] = []
    errors: list[BaseException] = []

    async def whole() -> None:
        transport = HttpTransport(reactor)
        try:
            results.append(await work(reactor, transport))
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        finally:
            await transport.close()
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(whole()))
    with _interrupting(lambda: reactor.callFromThread(reactor.stop)):
        reactor.run(installSignalHandlers=False)
    if errors:
        raise errors[0]
    if not results:
        raise click.Abort
    return results[0]


@contextmanager
def _interrupting(stop: Callable[[], object]) -> Any:
    """Call ``stop`` when the user presses Ctrl-C."""
    before = signal.signal(signal.SIGINT, lambda number, frame: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
