"""The simulator in the place of all upstreams, for one trial of a request."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.app.demo import DemoSimulator
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.ir.errors import NotFoundError
from antigravity.redaction.credentials import authorizes

#: Any key or refresh token is accepted, but for some words at its beginning.
_KEY: Final = "sk-lab"
#: The paths of the simulator by the ends of paths of upstreams, whose base addresses differ.
_PATHS: Final = (
    (re.compile(r"/chat/completions$"), "/v1/chat/completions"),
    (re.compile(r"/completions$"), "/v1/completions"),
    (re.compile(r"/responses/compact$"), "/v1/responses/compact"),
    (re.compile(r"/responses$"), "/v1/responses"),
    # this one needs no header with the version, as upstreams with this protocol do not
    (re.compile(r"/messages$"), "/anthropic/v1/messages"),
    (re.compile(r"/(v1internal:\w+)$"), r"/\1"),
    (re.compile(r"/models/([^/]+:\w+)$"), r"/v1beta/models/\1"),
    (re.compile(r"/interactions$"), "/v1beta/interactions"),
)
_ADDRESS: Final = re.compile(r"https?://[^/?#]*([^?#]*)(\?[^#]*)?")


@implementer(IHttpTransport)
class SimulatorTransport:
    """A transport that sends all requests to a simulator, without the credentials in them.

    :param transport: sends them.
    :param address: the base URL of the simulator.
    :param issue_token: returns an access token of it, and the project of its account.
    """

    def __init__(
        self, transport: IHttpTransport, address: str, issue_token: Callable[[], tuple[str, str]]
    ) -> None:
        self._transport = transport
        self._address = address
        self._issue_token = issue_token

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Send a request to the simulator.

        :raises NotFoundError: if the simulator does not serve its path.
        """
        found = _ADDRESS.fullmatch(request.url)
        path = "" if found is None else _simulated_path(found[1])
        if found is None or not path:
            raise NotFoundError("The simulator serves no upstream with this address.")
        key, body = _KEY, request.body
        if path.startswith("/v1internal:"):
            key, project = self._issue_token()
            body = _with_project(body, project)
        values = {"authorization": f"Bearer {key}"}
        headers = tuple(
            (name, values.get(name.lower(), key) if authorizes(name) else value)
            for name, value in request.headers
        )
        url = f"{self._address}{path}{_without_keys(found[2] or '')}"
        changed = replace(request, url=url, headers=headers, body=body, proxy=None, socket=None)
        sent: Deferred[IIncomingResponse] = self._transport.send(changed)
        return sent

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires at once: the connections are those of the gateway."""
        closed: Deferred[None] = Deferred()
        closed.callback(None)
        return closed


class LabSimulator:
    """A simulator on a port of 127.0.0.1 for one trial, from :meth:`start` to :meth:`stop`."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._simulator = DemoSimulator(reactor, is_demo=False)

    async def start(self) -> None:
        """Start it; its modules are imported in a thread, because they are many."""
        await call_in_thread(
            self._reactor, importlib.import_module, "antigravity.simulator.service"
        )
        await self._simulator.start()

    async def stop(self) -> None:
        """Stop it."""
        await self._simulator.stop()

    def transport(self, transport: IHttpTransport) -> SimulatorTransport:
        """Return a transport that sends all requests to it."""
        return SimulatorTransport(transport, self._simulator.address, self._issue_token)

    def _issue_token(self) -> tuple[str, str]:
        state = self._simulator.simulator.state
        token = state.issue_token(_KEY)
        return token, state.account(token).project


def _simulated_path(path: str) -> str:
    """Return the path at the simulator, ``""`` if it serves none like this."""
    for end, simulated in _PATHS:
        found = end.search(path)
        if found is not None:
            return found.expand(simulated)
    return ""


def _with_project(body: Any, project: str) -> bytes:
    """Return the body of a request to Code Assist with another project."""
    data = msgspec.json.decode(body if isinstance(body, bytes) else b"".join(body))
    return msgspec.json.encode({**data, "project": project})


def _without_keys(query: str) -> str:
    """Return a query without credentials."""
    fields = [each for each in query.removeprefix("?").split("&") if each]
    kept = [each for each in fields if not authorizes(each.partition("=")[0])]
    return f"?{'&'.join(kept)}" if kept else ""
