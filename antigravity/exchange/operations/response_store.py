"""Stored responses of one client, and the origins of those that upstreams store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.state.content import SharedKind
from antigravity.stores.bounded_cache import BoundedCache

#: The first byte of an entry: a stored response, or an origin.
_RESPONSE: Final = b"="
_ORIGIN: Final = b">"
#: The most responses that other gateways are asked for at once.
_MAX_FETCHED: Final = 200
#: The ids that gateways make.
_OWN_ID: Final = re.compile(r"[a-z0-9]+_[0-9a-f]{24}")
#: Seconds until a gateway asks again for responses that others have made: a client may continue a
#: response before it has arrived where the gateways share it.
_ASK_AGAIN: Final = (0.02, 0.05, 0.1, 0.2)
#: What is in the place of the API key if a response is known to belong to another one.
_OTHER: Final = "\1"
#: Separates API key, protocol and response id in keys of the store; no API key contains it.
_SEPARATOR: Final = "\0"


class ResponseOrigin(Struct, frozen=True):
    """The upstream, account and upstream model that made a response, and store it."""

    upstream: str
    credential: str
    model: str


_ORIGIN_DECODER: Final = msgspec.json.Decoder(ResponseOrigin)


class ResponseStore:
    """The responses to one API key in one protocol; other keys and protocols do not see them.

    :param shared: what gateways share of them, if they do, for ``ttl`` seconds.
    :param pause: returns a Deferred that fires after some seconds.
    """

    def __init__(
        self,
        store: BoundedCache,
        principal: str,
        protocol: str,
        shared: SharedKind | None = None,
        ttl: float = 0.0,
        pause: Callable[[float], Deferred[object]] | None = None,
    ) -> None:
        self._store = store
        self._protocol = protocol
        self._principal = principal
        self._shared = shared if shared is not None and shared.is_used else None
        self._ttl = ttl
        self._pause = pause

    def get(self, response_id: str) -> bytes | ResponseOrigin | None:
        """Return a stored response, or the origin of one that its upstream stores."""
        entry = self._store.get(self._key(response_id))
        if entry is None:
            return None
        value = entry[1:]
        return value if entry.startswith(_RESPONSE) else _ORIGIN_DECODER.decode(value)

    async def fetch(self, response_ids: Iterable[str]) -> None:
        """Keep what other gateways have stored of responses that are not stored here."""
        if self._shared is None:
            return
        missing = [each for each in response_ids if self._store.get(self._key(each)) is None]
        missing = missing[:_MAX_FETCHED]
        await self._fetch(missing)
        pause = self._pause
        if pause is None:
            return
        for seconds in _ASK_AGAIN:
            missing = [each for each in missing if self._may_arrive(each)]
            if not missing or not self._shared.is_used:
                return
            await pause(seconds)
            await self._fetch(missing)

    def _may_arrive(self, response_id: str) -> bool:
        """Return whether a response that was not found may have been made just now."""
        if _OWN_ID.fullmatch(response_id) is None or self.is_other_clients(response_id):
            return False
        return self._store.get(self._key(response_id)) is None

    async def _fetch(self, missing: Sequence[str]) -> None:
        if not missing or self._shared is None:
            return
        keys = [self._key(each) for each in missing]
        found = await self._shared.find_many([*keys, *map(self._ending, missing)])
        owners = found[len(missing) :]
        for key, response_id, entry, owner in zip(keys, missing, found, owners, strict=False):
            if entry is not None:
                self._store.put(key, entry)
            elif owner is not None and owner != self._owner:
                self._store.put(f"{_OTHER}{self._ending(response_id)}", b"")

    def is_other_clients(self, response_id: str) -> bool:
        """Return whether a response that this key does not have was given to another key."""
        return self._store.has_ending(self._ending(response_id))

    def put(self, response_id: str, response: bytes) -> None:
        """Store a response."""
        self._put(response_id, _RESPONSE + response)

    def put_origin(self, response_id: str, origin: ResponseOrigin) -> None:
        """Store the origin of a response."""
        self._put(response_id, _ORIGIN + msgspec.json.encode(origin))

    def delete(self, response_id: str) -> None:
        """Forget a response."""
        self._store.delete(self._key(response_id))
        if self._shared is not None:
            self._shared.delete(self._key(response_id))

    def _put(self, response_id: str, entry: bytes) -> None:
        self._store.put(self._key(response_id), entry)
        if self._shared is not None:
            # Whose it is says that another key must not use it, whatever the upstream would do.
            self._shared.put(self._ending(response_id), self._owner, self._ttl)
            self._shared.put(self._key(response_id), entry, self._ttl)

    @property
    def _owner(self) -> bytes:
        return self._principal.encode("utf-8", "surrogatepass")

    def _key(self, response_id: str) -> str:
        return f"{self._principal}{self._ending(response_id)}"

    def _ending(self, response_id: str) -> str:
        return f"{_SEPARATOR}{self._protocol}{_SEPARATOR}{response_id}"
