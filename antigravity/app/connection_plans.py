"""Plan and write the files of clients, in a thread; imported when somebody asks."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from antigravity.app.client_setups import served_models
from antigravity.app.diff_masks import OWN_KEY, mask_diff, mask_text
from antigravity.connect.client import Client, Places, Target
from antigravity.connect.clients import CLIENTS
from antigravity.connect.connections import Connections
from antigravity.connect.model_choice import ModelChoice, choose_models
from antigravity.connect.plan import ConnectError, Plan, State
from antigravity.connect.texts import hints
from antigravity.interfaces.connections import (
    LONGEST_DIFF,
    Action,
    ApplyRequest,
    ConnectionChanged,
    ConnectionPreview,
    ConnectionState,
    PreviewRequest,
)
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import ConflictError, NotFoundError

#: Larger files are changed by the command: to compare them takes long.
LARGEST_FILE: Final = 512 * 1024


class Gateway(Struct, frozen=True):
    """What clients are connected to: address and key of the gateway, and its models."""

    address: str
    key: str
    demands_key: bool
    models: Sequence[Model]


class ConnectionPlans:
    """The connections of this user's clients.

    :param home: the gateway's.
    :param salt: makes tokens worthless for other processes.
    """

    def __init__(self, home: Path, places: Places, salt: bytes) -> None:
        self._connections = Connections(home, places, LARGEST_FILE)
        self._places = places
        self._salt = salt

    def states(self) -> list[ConnectionState]:
        """Return the state of all clients.

        :raises ConflictError: if the record of what was connected cannot be read.
        """
        try:
            return [_as_state(each, self._connections.state(each)) for each in CLIENTS.values()]
        except ConnectError as error:
            raise ConflictError(mask_text(str(error))) from None

    def preview(self, name: str, request: PreviewRequest, gateway: Gateway) -> ConnectionPreview:
        """Return what connecting or disconnecting a client would change.

        :raises NotFoundError: if there is no such client.
        :raises ConflictError: if it cannot be done.
        """
        client = _find(name)
        choice = _choose(client, gateway, request.model)
        plan = self._plan(client, request.action, gateway, choice)
        ours = self._harmless_texts(client, gateway, choice)
        shown = OWN_KEY if gateway.demands_key else gateway.key
        diff = _with_tilde(plan.diff(), self._places.home)
        diff = mask_diff(diff, gateway.key, ours, plan.documents(), shown)
        connects = request.action == "connect"
        return ConnectionPreview(
            client=client.name,
            action=request.action,
            changes=plan.is_change,
            files=[str(file.path) for file in plan.files if file.is_change],
            diff=diff[:LONGEST_DIFF],
            is_cut=len(diff) > LONGEST_DIFF,
            token=self._token(client, request.action, plan),
            model=request.model,
            warnings=[
                *(_warnings(client, choice, request.model, gateway) if connects else ()),
                *(each.replace(str(self._places.home), "~", 1) for each in plan.permissions),
            ],
            kept=plan.left,
        )

    def apply(
        self, name: str, action: Action, request: ApplyRequest, gateway: Gateway
    ) -> ConnectionChanged:
        """Write what was previewed.

        :raises NotFoundError: if there is no such client.
        :raises ConflictError: if it is something else by now, or cannot be written.
        """
        client = _find(name)
        choice = _choose(client, gateway, request.model)
        plan = self._plan(client, action, gateway, choice)
        if not hmac.compare_digest(self._token(client, action, plan), request.token):
            raise ConflictError(
                "A file or a value has changed since the preview, so nothing was written.  Look at "
                "a new preview.",
                code="preview_outdated",
            )
        try:
            self._connections.apply(plan)
            state = self._connections.state(client)
        except ConnectError as error:
            raise ConflictError(mask_text(str(error))) from None
        notes = hints(client, _target(gateway, choice)) if action == "connect" else []
        files = [str(file.path) for file in plan.files if file.is_change]
        return ConnectionChanged(connection=_as_state(client, state), files=files, notes=notes)

    def _plan(self, client: Client, action: Action, gateway: Gateway, choice: ModelChoice) -> Plan:
        """Return what an action changes.

        :raises ConflictError: if it cannot be done.
        """
        if client.files is None:
            raise ConflictError(
                f"{client.title} has no file that the gateway can change: connect it by hand."
            )
        if action == "connect" and client.needs_models and not choice.models:
            raise ConflictError(
                f"{client.title} needs the names of models, and the gateway serves none now.  Add "
                "an account, or name a model."
            )
        try:
            if action == "disconnect":
                return self._connections.plan_disconnect(client)
            return self._connections.plan_connect(client, _target(gateway, choice))
        except ConnectError as error:
            raise ConflictError(mask_text(str(error))) from None

    def _harmless_texts(
        self, client: Client, gateway: Gateway, choice: ModelChoice
    ) -> frozenset[str]:
        """Return the texts of our settings that are no secrets, although some look like it."""
        assert client.files is not None
        files = client.files(_target(gateway, choice), self._places)
        found = {each for file in files for each in _leaves([each.value for each in file.settings])}
        found.add(gateway.address)
        return frozenset(found - {gateway.key})

    def _token(self, client: Client, action: Action, plan: Plan) -> str:
        """Return a digest of what is in the files, and of what is written."""
        digest = blake2b(key=self._salt, digest_size=24)
        parts: list[bytes] = [client.name.encode(), action.encode(), plan.address.encode()]
        for file in plan.files:
            parts += [os.fsencode(file.path), *map(_marked, (file.before, file.after))]
            parts.append(str(file.modes).encode())
        for part in parts:
            digest.update(b"%d:%b" % (len(part), part))
        return digest.hexdigest()


def owner_problem(home: Path) -> str:
    """Return why this process must not change files in a home directory, ``""`` if it may."""
    if os.name == "nt":  # the home directory is that of the user of the process
        return ""
    try:
        owner = home.stat().st_uid
    except OSError:
        return f"The home directory {home} cannot be read, so no files of clients are changed."
    if owner != os.geteuid():
        return (
            f"The gateway runs as another user than the owner of {home}, so it changes no files "
            "of clients there."
        )
    return ""


def _find(name: str) -> Client:
    client = CLIENTS.get(name)
    if client is None:
        raise NotFoundError(f"There is no client {name[:100]!r}.")
    return client


def _choose(client: Client, gateway: Gateway, model: str) -> ModelChoice:
    return choose_models(client, served_models(gateway.models), model)


def _target(gateway: Gateway, choice: ModelChoice) -> Target:
    target = Target(gateway.address, gateway.key, gateway.demands_key)
    return replace(target, models=choice.models, selects_model=choice.selects_model)


def _warnings(client: Client, choice: ModelChoice, model: str, gateway: Gateway) -> list[str]:
    found = []
    if model and model not in [each.id for each in gateway.models]:
        found.append(f"No model {model} is listed, but a mapping may serve it.")
    if choice.lacks_family and choice.models:
        found.append(
            f"{client.title} asks for models called {client.family}…, and none is served.  It gets "
            f"{choice.models[0].name} instead."
        )
    return found


def _leaves(data: object) -> Iterator[str]:
    """Yield all texts in a document."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for each in data:
            yield from _leaves(each)
    elif isinstance(data, str):
        yield data


def _with_tilde(diff: str, home: Path) -> str:
    """Return a diff whose names of files begin with ``~`` if they are in the home directory."""
    head = re.compile(rf"^(---|\+\+\+) {re.escape(str(home))}(?=[/\\])", re.MULTILINE)
    return head.sub(r"\1 ~", diff)


def _marked(content: bytes | None) -> bytes:
    return b"-" if content is None else b"+" + content


def _as_state(client: Client, state: State) -> ConnectionState:
    way: Literal["files", "variables", "hand"] = "hand"
    if client.files is not None:
        way = "files"
    elif client.start is not None:
        way = "variables"
    return ConnectionState(
        client=state.client,
        title=state.title,
        installed=state.installed,
        state=state.state,
        way=way,
        address=mask_text(state.address),
        problem=mask_text(state.problem),
    )
