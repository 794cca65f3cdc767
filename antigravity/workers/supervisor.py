"""Keeps workers running: starts them, replaces those that end, and renews all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol

from msgspec import Struct
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    DeferredLock,
    inlineCallbacks,
    succeed,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from antigravity.interfaces.state import StateError
from antigravity.interfaces.status import WorkerStatus
from antigravity.logs import make_logger
from antigravity.workers.worker import Command, MainServices, Ports, Worker

#: Seconds until a worker that ended unasked is replaced; doubled each time, up to the second.
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
#: A worker that served for so many seconds does not count as one that ended early.
STEADY: Final = 60.0
#: So many early ends in a row are a crash loop.
LOOP: Final = 3
#: Seconds that requests of a worker get that was replaced by a reload: no request is longer.
RENEWAL_GRACE: Final = 3600.0
#: The most workers that drain after reloads; older ones get only the usual time then.
_MOST_DRAINING: Final = 8
#: Seconds for a worker to load the configuration again.
_RELOAD_TIMEOUT: Final = 30.0
#: Seconds for the reports of all workers.
_REPORT_TIMEOUT: Final = 1.0


class WorkerError(Exception):
    """A worker cannot start; the message says why."""


class Table(Protocol):
    """Has a place for each worker; see :class:`ConnectionTable`."""

    def take(self) -> int:
        """Return a free place."""

    def release(self, place: int) -> None:
        """Take a place back."""


class _Place(Struct):
    """One of the workers that there should be.

    ``ends`` counts early ends in a row, ``restarts`` all unasked ones.
    """

    number: int
    worker: Worker | None = None
    ends: int = 0
    restarts: int = 0
    problem: str = ""
    timer: IDelayedCall | None = None


class Supervisor:
    """The workers of a gateway.

    :param make: returns a worker for a number, not yet spawned.
    :param command: returns the arguments of its process.
    :param grace: returns how many seconds requests get when the gateway stops.
    :ivar table: has a place for each process, if there is one.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        number: int,
        services: MainServices,
        command: Command,
        grace: Callable[[], float],
        make: Callable[[Any, int, MainServices], Worker] = Worker,
        table: Table | None = None,
    ) -> None:
        self._reactor = reactor
        self._services = services
        self._command = command
        self._grace = grace
        self._make = make
        self.table = table
        self._places = [_Place(each) for each in range(1, number + 1)]
        self._draining: list[Worker] = []
        self._ports: Ports = ()
        self._changing = DeferredLock()
        self._reloading: Deferred[Any] | None = None
        self._is_stopping = False

    def __iter__(self) -> Iterator[Worker]:
        """Iterate over all workers that have a process."""
        yield from (each.worker for each in self._places if each.worker is not None)
        yield from self._draining

    def start(self, ports: Ports) -> Deferred[None]:
        """Start all workers; the Deferred fires when they serve.

        It fails with a :class:`WorkerError` if one cannot start; then all are stopped.
        """
        started: Deferred[None] = self._changing.run(self._start, ports)
        return started

    def renew(self, ports: Ports) -> Deferred[None]:
        """Replace the workers one after the other: each serves before the old one drains.

        The Deferred fires when all are replaced.  It fails with a :class:`WorkerError` at the
        first that cannot start; the old ones that are left go on.
        """
        renewed: Deferred[None] = self._changing.run(self._renew, ports)
        return renewed

    def reload(self) -> Deferred[None]:
        """Let the workers load the configuration again, one after the other.

        One that cannot is replaced.  The Deferred fires when all have the configuration, and
        fails with a :class:`WorkerError` as :meth:`renew`.
        """
        reloaded: Deferred[None] = self._changing.run(self._reload)
        return reloaded

    def stop_starting(self) -> None:
        """Start no more workers, kill those that do not serve yet, and end a reload."""
        self._is_stopping = True
        if self._reloading is not None:
            self._reloading.cancel()
        for worker in self:
            if worker.state == "starting":
                worker.kill()

    @inlineCallbacks
    def stop(self) -> Any:
        """Let all workers drain and end; the Deferred fires when they have."""
        self._is_stopping = True
        for place in self._places:
            if place.timer is not None and place.timer.active():
                place.timer.cancel()
        running = list(self)
        for worker in running:
            worker.end(self._grace(), lingers=False)
        yield DeferredList([_copy(worker.ended) for worker in running])

    def stop_waiting(self) -> None:
        """Give running requests no more time."""
        for worker in self:
            worker.end(0.0, lingers=False)

    def refresh(self) -> Deferred[Any]:
        """Ask all for reports; the Deferred fires when they are there, or a second is over."""
        return DeferredList([worker.refresh(_REPORT_TIMEOUT) for worker in self])

    @inlineCallbacks
    def ask_all(self, method: str, *arguments: Any) -> Any:
        """Call a method of all workers that serve; failures are logged."""
        asked = []
        for worker in self:
            if worker.state == "serving":
                done = worker.channel.call(method, *arguments)
                asked.append(done.addErrback(self._not_done, method, worker))
        yield DeferredList(asked)

    def status(self) -> list[WorkerStatus]:
        """Return the state of each worker, those that drain last."""
        now = self._reactor.seconds()
        found = [
            WorkerStatus(
                number=place.number,
                pid=0 if place.worker is None else place.worker.pid,
                state="waiting" if place.worker is None else place.worker.state,
                seconds=0.0 if place.worker is None else round(now - place.worker.began, 3),
                running=_running(place.worker),
                restarts=place.restarts,
                problem=place.problem,
            )
            for place in self._places
        ]
        return found + [
            WorkerStatus(
                number=worker.number,
                pid=worker.pid,
                state=worker.state,
                seconds=round(now - worker.began, 3),
                running=_running(worker),
            )
            for worker in self._draining
        ]

    # Internals

    @inlineCallbacks
    def _start(self, ports: Ports) -> Any:
        self._ports, self._is_stopping = ports, True  # meanwhile none is replaced
        workers = [self._spawn(place) for place in self._places]
        found = yield DeferredList([_copy(worker.started) for worker in workers])
        problems = [problem for _, problem in found if problem]
        if problems:
            yield self.stop()
            raise WorkerError(f"a worker cannot start: {problems[0]}")
        self._is_stopping = False
        for place, worker in zip(self._places, workers, strict=True):
            if place.worker is None:
                self._replace_later(place, worker)

    @inlineCallbacks
    def _renew(self, ports: Ports) -> Any:
        self._ports = ports
        for place in self._places:
            if not self._is_stopping:
                yield self._renew_one(place)

    @inlineCallbacks
    def _reload(self) -> Any:
        for place in self._places:
            worker = place.worker
            if worker is None or self._is_stopping:
                continue  # the next one at this place reads the configuration when it starts
            yield _copy(worker.started)
            if worker.state != "serving":
                continue
            self._reloading = worker.channel.call("reload", timeout=_RELOAD_TIMEOUT)
            try:
                yield self._reloading
            except (StateError, CancelledError) as error:
                if worker.state == "serving" and not self._is_stopping:
                    self._not_done(Failure(error), "reload", worker)
                    yield self._renew_one(place)
            finally:
                self._reloading = None

    @inlineCallbacks
    def _renew_one(self, place: _Place) -> Any:
        worker = self._make(self._reactor, place.number, self._services)
        self._run(worker)
        self._draining.append(worker)  # until it serves
        problem = yield _copy(worker.started)
        self._draining.remove(worker)
        if problem:
            raise WorkerError(f"worker {place.number} cannot start: {problem}")
        before = place.worker
        place.worker, place.problem, place.ends = worker, "", 0
        if place.timer is not None and place.timer.active():
            place.timer.cancel()
        worker.ended.addCallback(partial(self._ended, place, worker))
        if before is not None and before.state != "ended":
            self._retire(before)

    def _retire(self, worker: Worker) -> None:
        """Let a worker end that another one has replaced."""
        self._draining.append(worker)
        worker.end(RENEWAL_GRACE, lingers=True)
        for each in self._draining[:-_MOST_DRAINING]:
            each.end(self._grace(), lingers=False)

    def _spawn(self, place: _Place) -> Worker:
        worker = place.worker = self._make(self._reactor, place.number, self._services)
        worker.ended.addCallback(partial(self._ended, place, worker))
        self._run(worker)
        return worker

    def _run(self, worker: Worker) -> None:
        """Start the process of a worker, with a place in the table until it ends."""
        table = self.table
        taken = 0 if table is None else table.take()
        if table is not None:
            worker.ended.addCallback(lambda _: table.release(taken))
        worker.spawn(self._command, self._ports, taken)

    def _ended(self, place: _Place, worker: Worker, _: None) -> None:
        """Forget a worker that has ended; if nobody wanted that, replace it."""
        if worker in self._draining:
            self._draining.remove(worker)
        if place.worker is not worker:
            return
        place.worker = None
        if not self._is_stopping:
            self._replace_later(place, worker)

    def _replace_later(self, place: _Place, worker: Worker) -> None:
        is_early = self._reactor.seconds() - worker.began < STEADY
        place.ends = place.ends + 1 if is_early else 1
        place.restarts += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (place.ends - 1))
        place.problem = worker.problem
        if place.ends >= LOOP:
            place.problem = f"it ended {place.ends} times in a row: {worker.problem}"
            self.log.error(
                "worker {n} ends again and again ({times} times): {problem}; "
                "it is started again in {pause} seconds",
                n=place.number,
                times=place.ends,
                problem=worker.problem,
                pause=round(pause, 1),
            )
        else:
            self.log.error(
                "worker {n} (process {pid}) has ended: {problem}; another one takes its place",
                n=place.number,
                pid=worker.pid,
                problem=worker.problem,
            )
        place.timer = self._reactor.callLater(pause, self._spawn_again, place)

    def _spawn_again(self, place: _Place) -> None:
        place.timer = None
        if place.worker is None and not self._is_stopping:
            self._spawn(place).started.addCallback(self._report_start, place)

    def _report_start(self, problem: str, place: _Place) -> str:
        if not problem:
            self.log.info("worker {n} serves again", n=place.number)
            if place.ends < LOOP:
                place.problem = ""
        return problem

    def _not_done(self, failure: Any, method: str, worker: Worker) -> None:
        self.log.warn(
            "worker {n} did not {method}: {error}",
            n=worker.number,
            method=method,
            error=str(failure.value),
        )


def _running(worker: Worker | None) -> int:
    return 0 if worker is None or worker.report is None else worker.report.active


def _copy(deferred: Deferred[Any]) -> Deferred[Any]:
    """Return a Deferred that fires with the result of another one, which others wait for too."""
    copy: Deferred[Any] = Deferred()

    def fire(result: Any) -> Any:
        copy.callback(result)
        return result

    if deferred.called:
        return succeed(deferred.result)
    deferred.addCallback(fire)
    return copy
