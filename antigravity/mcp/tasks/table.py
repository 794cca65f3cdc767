"""All tasks of an endpoint, within limits of number, memory and age."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.interfaces.mcp_values import McpError, TaskSupport
from antigravity.mcp.protocol import messages
from antigravity.mcp.tasks.task import Clocks, Task, TaskOwner

#: The number of bytes of one result, of all results of one key, and of all.
LARGEST_RESULT: Final = 16 * 1024 * 1024
MOST_BYTES_OF_ONE: Final = 32 * 1024 * 1024
MOST_RESULT_BYTES: Final = 128 * 1024 * 1024
#: Seconds for which the end of a task is kept at least.
RETENTION: Final = 300.0
_SEPARATOR: Final = "."


class TaskLimits(Struct, frozen=True):
    """The number of tasks, in total and of one key, and the seconds for which each is kept."""

    most: int = 1000
    most_of_one: int = 100
    ttl: float = 3600.0


class TaskTable:
    """The tasks of an endpoint.

    Ids cannot be guessed, and a task is found only for its owner.  Tasks do not outlive the
    gateway: an id names the run of the gateway that made it, so that the error can say when the
    task was lost by a restart.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = time.time) -> None:
        self.limits = TaskLimits()
        self._clocks = Clocks(clock, now)
        self._run = secrets.token_hex(4)
        self._tasks: dict[str, Task] = {}
        self._timers: dict[str, IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def create(
        self,
        owner: TaskOwner,
        support: TaskSupport,
        cancel_call: Callable[[], None],
        ttl: float | None = None,
    ) -> Task | None:
        """Return a new task, or ``None`` if there are too many; ``ttl`` is the client's wish."""
        if not self._has_room(owner):
            return None
        seconds = min(ttl or support.ttl or self.limits.ttl, self.limits.ttl)
        id_ = f"{self._run}{_SEPARATOR}{secrets.token_urlsafe(24)}"
        task = Task(id_, owner, self._clocks, seconds, support.poll_interval, cancel_call)
        self._tasks[id_] = task
        self._keep(task, seconds)
        return task

    def find(self, id: object, owner: TaskOwner) -> Task:  # noqa: A002
        """Return a task of ``owner``.

        :raises McpError: if there is none; the message says whether a restart may be the reason.
        """
        if not isinstance(id, str):
            raise McpError(messages.INVALID_PARAMS, "The parameter taskId must be a string.")
        task = self._tasks.get(id)
        if task is not None and secrets.compare_digest(
            task.owner.principal.encode(), owner.principal.encode()
        ):
            return task
        run, dot, rest = id.partition(_SEPARATOR)
        if dot and rest and len(run) == len(self._run) and run != self._run:
            message = "Task not found: the gateway was restarted, and tasks do not survive that."
        else:
            message = "Task not found or expired."
        raise McpError(messages.INVALID_PARAMS, message)

    def find_all(self, ids: Iterable[str], owner: TaskOwner) -> list[Task]:
        """Return those of the tasks that exist and that ``owner`` may see."""
        found = (self._tasks.get(one) for one in dict.fromkeys(ids))
        return [t for t in found if t is not None and t.owner.principal == owner.principal]

    def owned_by(self, owner: TaskOwner) -> Iterator[Task]:
        """Yield the tasks that ``owner`` may see in a list, the oldest first."""
        for task in self._tasks.values():
            if task.owner.principal == owner.principal and (
                owner.principal or task.owner.session == owner.session
            ):
                yield task

    def settle(self, task: Task, value: Any, reason: str) -> None:
        """End a task with the result or failure of its call."""
        if task.is_over:
            return
        own = [one for one in self._tasks.values() if one.owner.principal == task.owner.principal]
        own_room = self._free_bytes(own, MOST_BYTES_OF_ONE)
        room = min(own_room, self._free_bytes(list(self._tasks.values()), MOST_RESULT_BYTES))
        age = self._clocks.now() - task.state().created
        task.ttl = max(task.ttl, age + RETENTION)
        self._keep(task, task.ttl - age)
        task.settle(value, reason, max(0, min(LARGEST_RESULT, room)))

    def stop(self) -> None:
        """Cancel and forget all tasks."""
        for task in list(self._tasks.values()):
            task.fail(McpError(messages.INTERNAL_ERROR, "The gateway is stopping."))
            task.cancel_call()
            self._remove(task)

    def _free_bytes(self, tasks: list[Task], most: int) -> int:
        """Return how many bytes a result may have; tasks whose end was seen make room."""
        room = most - sum(len(task.result) for task in tasks)
        for task in tasks:
            if room < LARGEST_RESULT and task.is_over and task.was_delivered:
                room += len(task.result)
                self._remove(task)
        return room

    def _has_room(self, owner: TaskOwner) -> bool:
        """Return whether one more task is allowed; tasks whose end was seen make room."""
        own = [task for task in self._tasks.values() if task.owner.principal == owner.principal]
        if len(own) >= self.limits.most_of_one and not self._make_room(own):
            return False
        return len(self._tasks) < self.limits.most or self._make_room(list(self._tasks.values()))

    def _make_room(self, tasks: list[Task]) -> bool:
        for task in tasks:
            if task.is_over and task.was_delivered:
                self._remove(task)
                return True
        return False

    def _keep(self, task: Task, seconds: float) -> None:
        timer = self._timers.pop(task.id, None)
        if timer is not None:
            timer.cancel()
        self._timers[task.id] = self._clocks.timers.callLater(seconds, self._expire, task)

    def _expire(self, task: Task) -> None:
        del self._timers[task.id]
        if task.is_over:
            self._remove(task)
            return
        text = f"The task took longer than {task.ttl:g} seconds and was stopped."
        task.ttl += RETENTION
        self._keep(task, RETENTION)
        task.fail(McpError(messages.INTERNAL_ERROR, text))
        task.cancel_call()

    def _remove(self, task: Task) -> None:
        self._tasks.pop(task.id, None)
        timer = self._timers.pop(task.id, None)
        if timer is not None:
            timer.cancel()
        task.stop()
