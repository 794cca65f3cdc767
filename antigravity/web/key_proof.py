"""Proves to commands on this machine that the gateway knows their key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from antigravity.config.key_proof import PROOF_PATH, is_nonce, proof, proving_key
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.web.request import head_of
from antigravity.web.responses import is_closed, write_whole

Handler = Callable[..., Deferred[None] | None]


class KeyProofs:
    """Proofs about the keys of a configuration, which are prepared at the first request."""

    def __init__(self, proxy: ProxySettings) -> None:
        self._lock = Lock()
        self.use(proxy)

    def use(self, proxy: ProxySettings) -> None:
        """Prove the keys of another configuration from now on."""
        with self._lock:
            self._keys: tuple[Secret, ...] = (proxy.admin_key, proxy.api_key)
            self._proving_keys: list[bytes] | None = None

    def paths(self) -> Iterator[tuple[str, tuple[tuple[str, ...], Handler]]]:
        """Yield the path with its methods and handler."""
        yield PROOF_PATH, (("GET",), self._serve)

    def prove(self, nonce: str, host: str, port: int) -> list[str]:
        """Return one proof for each key.  The first call takes 40 ms for each."""
        with self._lock:  # many first requests at a time cost as much as one
            if self._proving_keys is None:
                self._proving_keys = [proving_key(each.reveal()) for each in self._keys if each]
            prepared = self._proving_keys
        return [proof(each, nonce, host, port) for each in prepared]

    def _serve(self, request: Any) -> Deferred[None]:
        head = head_of(request)
        own = request.getHost()
        host, port = getattr(own, "host", ""), getattr(own, "port", 0)
        if not head.loopback or not host:
            raise NotFoundError(f"{PROOF_PATH} is for commands on the gateway's own machine.")
        nonce = head.query.get("nonce", "")
        if not is_nonce(nonce):
            raise InvalidRequestError("nonce must have 32 to 64 hexadecimal digits.", param="nonce")
        clock = request.channel.site.reactor
        proofs: Deferred[list[str]] = call_in_thread(clock, self.prove, nonce, host, port)
        return proofs.addCallback(_write, request)


def _write(proofs: list[str], request: Any) -> None:
    if not is_closed(request):
        body = msgspec.json.encode({"proofs": proofs})
        headers = (("Cache-Control", "no-store"),)
        write_whole(request, Reply(200, "application/json", headers, body))
