"""Ports that another process has opened: accepted from in turn, and left open for the others."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from antigravity.app.worker_gateway import AdoptedListener
from antigravity.config.settings import ProxySettings
from antigravity.web.listener import Listener
from antigravity.workers.balance import ConnectionTable
from antigravity.workers.commands import Listening
from tests.support.conditions import eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers need descriptors to inherit")
reactor: Any = default_reactor


class Accepting(Factory):
    """Counts connections."""

    noisy = False

    def __init__(self) -> None:
        self.open: list[Protocol] = []

    def buildProtocol(self, address: object) -> Protocol:
        protocol = Protocol()
        self.open.append(protocol)
        return protocol

    def close(self) -> None:
        for protocol in self.open:
            protocol.transport.abortConnection()  # type: ignore[union-attr]


class AdoptionTests(TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="ports-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.main = ConnectionTable(self.folder / "table")
        self.addCleanup(self.main.close)

    async def bind(self, endpoint: str) -> Any:
        """Open a port as the main process does, and accept nothing."""
        port = await serverFromString(reactor, endpoint).listen(Factory())
        port.stopReading()
        self.addCleanup(port.stopListening)
        return port

    async def adopt(self, endpoint: str, port: Any) -> tuple[Accepting, AdoptedListener]:
        table = ConnectionTable(self.folder / "table", self.main.take())
        self.addCleanup(table.close)
        factory = Accepting()
        self.addCleanup(factory.close)
        sockets = [Listening(endpoint, os.dup(port.fileno()))]
        listener = AdoptedListener(reactor, factory, sockets, table)
        await listener.listen()
        self.addCleanup(listener.stopService)
        return factory, listener

    def connect(self, port: Any, count: int) -> None:
        host = port.getHost()
        for _ in range(count):
            client = socket.create_connection((host.host, host.port), 10)
            self.addCleanup(client.close)

    async def test_both_accept_from_one_queue(self) -> None:
        endpoint = "tcp:0:interface=127.0.0.1"
        port = await self.bind(endpoint)
        first, _ = await self.adopt(endpoint, port)
        second, _ = await self.adopt(endpoint, port)
        self.connect(port, 20)
        await eventually(lambda: len(first.open) + len(second.open) == 20)
        self.assertTrue(first.open)
        self.assertTrue(second.open)

    async def test_connection_that_waits_is_not_lost_with_a_listener(self) -> None:
        endpoint = "tcp:0:interface=127.0.0.1"
        port = await self.bind(endpoint)
        first, listener = await self.adopt(endpoint, port)
        await listener.stopService()
        self.connect(port, 5)  # they wait: nobody accepts
        second, _ = await self.adopt(endpoint, port)
        await eventually(lambda: len(second.open) == 5)
        self.assertEqual(first.open, [])

    async def test_unix_socket_keeps_its_file_and_its_mode(self) -> None:
        path = self.folder / "gateway.sock"
        endpoint = f"unix:{path}:mode=600"
        port = await self.bind(endpoint)
        factory, listener = await self.adopt(endpoint, port)
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(path))
        await eventually(lambda: len(factory.open) == 1)
        await listener.stopService()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    async def test_worker_that_is_ahead_waits_only_for_a_moment(self) -> None:
        endpoint = "tcp:0:interface=127.0.0.1"
        port = await self.bind(endpoint)
        other = ConnectionTable(self.folder / "table", self.main.take())
        self.addCleanup(other.close)
        other.set(0)  # it has no connection, and hangs
        factory, listener = await self.adopt(endpoint, port)
        listener._table.set(100)
        self.assertTrue(listener._table.is_ahead())
        self.connect(port, 3)
        await eventually(lambda: len(factory.open) == 3, 10)

    async def test_many_connections_wait_at_an_endpoint_without_backlog(self) -> None:
        listener = Listener(
            reactor, Accepting(), ProxySettings(listen=["tcp:0:interface=127.0.0.1"])
        )
        await listener.listen()
        self.addCleanup(listener.stopService)
        clients = [socket.socket() for _ in range(300)]
        host: Any = listener.ports[0].getHost()
        for client in clients:
            self.addCleanup(client.close)
            client.settimeout(5)
            client.connect((host.host, host.port))  # the reactor does not run meanwhile
        listener._factory.close()  # type: ignore[attr-defined]
