"""State of another process of the machine: it conforms, and clients come and go."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.interfaces.state import SlotClaim, StateError
from antigravity.state import local_client
from antigravity.state.local_client import LocalState
from antigravity.state.local_server import LocalStateServer
from antigravity.state.memory import MemoryState
from antigravity.testing.state_conformance import StateConformance
from tests.support.conditions import eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no Unix sockets")


class LocalCase(TestCase):
    async def setUp(self) -> None:
        # The name of a socket must be short.
        folder = tempfile.TemporaryDirectory(prefix="state-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "state.sock"
        await self.start_server()

    async def start_server(self) -> None:
        self.server = LocalStateServer(reactor, MemoryState(reactor), self.path)
        self.addCleanup(self.server.stop)
        await self.server.start()

    async def open_state(self) -> Any:
        state = LocalState(reactor, self.path)
        self.addCleanup(state.stop)
        await state.start()
        return state


class LocalStateTests(LocalCase, StateConformance):
    reactor = reactor
    unit = 0.5

    @pytest.fixture(autouse=True)
    def be_patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let many requests take as long as a busy machine needs."""
        monkeypatch.setattr(local_client, "_TIMEOUT", 60.0)


class ServerTests(LocalCase):
    def test_socket_is_private(self) -> None:
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    async def test_large_values_are_stored(self) -> None:
        state = await self.open_state()
        value = os.urandom(3 * 0xFFFF)
        for size in (0xFFFF - 1, 0xFFFF, 0xFFFF + 1, 3 * 0xFFFF):
            await state.put("a", value[:size], 60)
            self.assertEqual(await state.get("a"), value[:size])

    async def test_server_is_away_and_comes_back(self) -> None:
        state = await self.open_state()
        seen: list[bytes] = []
        await state.subscribe("c", seen.append)
        await self.server.stop()
        for attempt in (lambda: state.get("a"), lambda: state.claim([SlotClaim("s", "h", 1, 60)])):
            with pytest.raises(StateError, match=r"state\.sock"):
                await attempt()
        await self.start_server()
        await eventually(lambda: state._connection)
        await state.publish("c", b"again")
        await eventually(lambda: seen == [b"again"])

    async def test_lost_client_listens_no_more(self) -> None:
        state = await self.open_state()
        await state.subscribe("c", lambda message: None)
        self.assertEqual(len(self.server.state._listeners), 1)
        await state.stop()
        await eventually(lambda: not self.server.connections)
        self.assertEqual(self.server.state._listeners, {})

    async def test_wrong_calls_are_refused(self) -> None:
        state = await self.open_state()
        for method, arguments in (("stop", ()), ("__init__", (1,)), ("get", (1,)), ("put", ("a",))):
            with pytest.raises(ValueError, match=method):
                await state._call(method, *arguments)
        self.assertIsNone(await state.get("a"))

    async def test_client_that_does_not_read_loses_messages(self) -> None:
        state = await self.open_state()
        seen: list[int] = []
        await state.subscribe("c", lambda message: seen.append(message[0]))
        state._connection.transport.pauseProducing()
        for number in range(30):
            await self.server.state.publish("c", bytes([number]) * 1_000_000)
            await deferLater(reactor, 0)  # type: ignore[arg-type]
        state._connection.transport.resumeProducing()
        (connection,) = self.server.connections
        await eventually(lambda: not connection._is_full)
        await self.server.state.publish("c", b"\xff")
        await eventually(lambda: seen[-1:] == [255])
        self.assertLess(len(seen), 25)
