"""Receive the redirect of a login on loopback."""

from __future__ import annotations

import http.server
import queue
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

#: The time limit of a connection, so that an unused one of the browser does not delay the end.
_TIMEOUT: Final = 5.0

_DONE: Final = "You have logged in. You can close this window."
_FOREIGN: Final = "This does not belong to the login that antigravity waits for."


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class _Server6(_Server):
    address_family = socket.AF_INET6


class LoginCallback:
    """A context manager that listens on the same port of 127.0.0.1 and ::1.

    ``check`` is called with each query; its return value is the result.  If it raises ``refusal``,
    the response is 400 and waiting continues, so that a foreign web page cannot end a login.
    """

    def __init__(
        self, path: str, check: Callable[[str], str], refusal: type[Exception], port: int = 0
    ) -> None:
        self._path = path
        self._check = check
        self._refusal = refusal
        self._results: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._servers = self._bind(port)
        self.port: int = self._servers[0].server_address[1]
        host = "[::1]" if isinstance(self._servers[0], _Server6) else "127.0.0.1"
        self.address = f"http://{host}:{self.port}{path}"

    def __enter__(self) -> LoginCallback:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def wait(self, timeout: float) -> str | None:
        """Return the result, or ``None`` after the timeout."""
        try:
            return self._results.get(timeout=timeout)
        except queue.Empty:
            return None

    def _bind(self, port: int) -> list[_Server]:
        """Bind to both addresses, or to one if the machine has only one."""
        servers: list[_Server] = []
        failure: OSError | None = None
        for kind, host in ((_Server, "127.0.0.1"), (_Server6, "::1")):
            free_port = servers[0].server_address[1] if servers else port
            try:
                servers.append(kind((host, free_port), self._handler()))
            except OSError as error:
                failure = failure or error
        if not servers:
            assert failure is not None
            raise failure
        return servers

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        callback = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _TIMEOUT

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path != callback._path:
                    self._respond(404, _FOREIGN)
                    return
                try:
                    result = callback._check(parts.query)
                except callback._refusal:
                    self._respond(400, _FOREIGN)
                    return
                self._respond(200, _DONE)
                callback._results.put(result)

            def _respond(self, status: int, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Log nothing, because the path contains the code."""

        return Handler
