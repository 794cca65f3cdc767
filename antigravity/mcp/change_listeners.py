"""Clients of the stateless revisions that subscribe to changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from antigravity.interfaces.mcp_values import McpChange, McpError
from antigravity.mcp.methods import LONGEST_URI
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.event_log import EventLog
from antigravity.mcp.protocol.headers import META
from antigravity.mcp.protocol.tasks import encode_details
from antigravity.mcp.tasks.task import Task

_LISTS: Final = {
    "tools": "toolsListChanged",
    "prompts": "promptsListChanged",
    "resources": "resourcesListChanged",
}
#: The number of resources that one client may subscribe to, and the total length of their URIs.
MOST_SUBSCRIPTIONS: Final = 1000
SUBSCRIBED_CHARACTERS: Final = 128 * 1024


class Listener:
    """A client with an open ``subscriptions/listen`` request."""

    def __init__(self, id: messages.RequestId, changes: dict[str, Any], log: EventLog) -> None:  # noqa: A002
        self.id = id
        self.log = log
        self._kinds = {kind for kind, field in _LISTS.items() if changes.get(field)}
        self._uris = frozenset(changes.get("resourceSubscriptions", ()))
        self._unwatch: list[Callable[[], None]] = []

    def follow(self, tasks: Iterable[Task]) -> None:
        """Notify the client of the state of tasks, and of every change of it."""
        for task in tasks:
            self._unwatch.append(task.watch(self._task_changed))
            self._task_changed(task)

    def stop(self) -> None:
        """Stop following tasks."""
        unwatch, self._unwatch = self._unwatch, []
        for one in unwatch:
            one()

    def _task_changed(self, task: Task) -> None:
        self.send("notifications/tasks", encode_details(task.state()))

    def notify(self, change: McpChange) -> None:
        """Notify the client of a change that it subscribed to."""
        if change.kind == "resource":
            if change.uri in self._uris:
                self.send("notifications/resources/updated", {"uri": change.uri})
        elif change.kind in self._kinds:
            self.send(f"notifications/{change.kind}/list_changed", {})

    def send(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification with the subscription's id."""
        meta = {f"{META}subscriptionId": self.id}
        data = messages.notification(method, {"_meta": meta, **params})
        if not self.log.is_waiting(data):
            self.log.append(data, expendable=True)


def task_ids(changes: Any) -> list[str]:
    """Return the ids of tasks in a filter.

    :raises McpError: if they are not valid.
    """
    ids = changes.get("taskIds") if isinstance(changes, Mapping) else None
    if ids is None:
        return []
    if (
        not isinstance(ids, list)
        or len(ids) > MOST_SUBSCRIPTIONS
        or not all(isinstance(one, str) for one in ids)
    ):
        raise McpError(
            messages.INVALID_PARAMS, f"taskIds must be up to {MOST_SUBSCRIPTIONS} strings."
        )
    return ids


def supported_changes(changes: Any) -> dict[str, Any]:
    """Return the supported part of a filter.

    :raises McpError: if it is not a valid filter.
    """
    if not isinstance(changes, Mapping):
        raise McpError(messages.INVALID_PARAMS, "The parameter notifications must be an object.")
    supported: dict[str, Any] = {
        field: True for field in _LISTS.values() if changes.get(field) is True
    }
    uris = changes.get("resourceSubscriptions")
    if uris is not None:
        if (
            not isinstance(uris, list)
            or len(uris) > MOST_SUBSCRIPTIONS
            or not all(isinstance(uri, str) and len(uri) <= LONGEST_URI for uri in uris)
            or sum(map(len, uris)) > SUBSCRIBED_CHARACTERS
        ):
            raise McpError(
                messages.INVALID_PARAMS,
                f"resourceSubscriptions can have {MOST_SUBSCRIPTIONS} URIs with "
                f"{SUBSCRIBED_CHARACTERS} characters in total.",
            )
        supported["resourceSubscriptions"] = uris
    return supported
