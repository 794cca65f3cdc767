"""Stored responses of one client, and the origins of those that upstreams store."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from antigravity.stores.bounded_cache import BoundedCache

#: The first byte of an entry: a stored response, or an origin.
_RESPONSE: Final = b"="
_ORIGIN: Final = b">"
#: Separates API key, protocol and response id in keys of the store; no API key contains it.
_SEPARATOR: Final = "\0"


class ResponseOrigin(Struct, frozen=True):
    """The upstream, account and upstream model that made a response, and store it."""

    upstream: str
    credential: str
    model: str


_ORIGIN_DECODER: Final = msgspec.json.Decoder(ResponseOrigin)


class ResponseStore:
    """The responses to one API key in one protocol; other keys and protocols do not see them."""

    def __init__(self, store: BoundedCache, principal: str, protocol: str) -> None:
        self._store = store
        self._protocol = protocol
        self._principal = principal

    def get(self, response_id: str) -> bytes | ResponseOrigin | None:
        """Return a stored response, or the origin of one that its upstream stores."""
        entry = self._store.get(self._key(response_id))
        if entry is None:
            return None
        value = entry[1:]
        return value if entry.startswith(_RESPONSE) else _ORIGIN_DECODER.decode(value)

    def is_other_clients(self, response_id: str) -> bool:
        """Return whether a response that this key does not have was given to another key."""
        return self._store.has_ending(self._ending(response_id))

    def put(self, response_id: str, response: bytes) -> None:
        """Store a response."""
        self._store.put(self._key(response_id), _RESPONSE + response)

    def put_origin(self, response_id: str, origin: ResponseOrigin) -> None:
        """Store the origin of a response."""
        self._store.put(self._key(response_id), _ORIGIN + msgspec.json.encode(origin))

    def delete(self, response_id: str) -> None:
        """Forget a response."""
        self._store.delete(self._key(response_id))

    def _key(self, response_id: str) -> str:
        return f"{self._principal}{self._ending(response_id)}"

    def _ending(self, response_id: str) -> str:
        return f"{_SEPARATOR}{self._protocol}{_SEPARATOR}{response_id}"
