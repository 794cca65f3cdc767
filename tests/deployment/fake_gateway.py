"""A server in the place of a gateway: it keeps the heads of requests, and can fail in two ways."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class FakeGateway:
    """A server on a port of loopback.

    :ivar mode: ``"serve"``, or ``"die"`` to close the connection in the place of a response to
        everything but health checks.
    :ivar heads: the heads of the requests that came, without health checks, in lower case.
    """

    def __init__(self) -> None:
        self.mode: Literal["serve", "die"] = "serve"
        self.heads: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Serve until :meth:`stop`."""
        self._run(self._accept)

    def stop(self) -> None:
        """Close the port; connections end with their far ends."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while self._serve_one(connection):
                    pass
            except OSError:
                return

    def _serve_one(self, connection: socket.socket) -> bool:
        """Serve one request; return whether the connection stays."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        missing = (int(length[1]) if length else 0) - len(body)
        while missing > 0:
            missing -= len(connection.recv(65536))
        is_check = head.startswith(b"GET /healthz ")
        if not is_check:
            self.heads.append(head.decode().lower())
            if self.mode == "die":
                return False
        connection.sendall(_RESPONSE)
        return True


@contextmanager
def fake_gateways() -> Iterator[tuple[FakeGateway, FakeGateway]]:
    """Run two servers while the block lasts."""
    servers = FakeGateway(), FakeGateway()
    for server in servers:
        server.start()
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
