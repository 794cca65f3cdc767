"""Sessions that are not with the account that hashing chooses, as all gateways know them.

Gateways with the same accounts choose the same one for a new session without a message.  A message
is sent for what deviates: a session that moved, or that began while its account was locked or busy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.accounts.affinity import TTL, Bindings
from antigravity.accounts.selection import hashed_choice
from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.selection import Candidate
from antigravity.interfaces.upstreams import Credential
from antigravity.state.table import SharedTable, TableRow

#: The parts of the table, and the most sessions of each: about as many as a gateway binds.
_PARTS: Final = tuple(f"{number:02x}" for number in range(256))
_MAX_ROWS: Final = 40


class _Move(Struct, frozen=True, array_like=True):
    """The account of a session for an upstream model; ``rank`` are those it is one of."""

    session: str
    upstream: str
    model: str
    credential: str
    rank: tuple[tuple[str, str], ...]


_encode: Final = msgspec.msgpack.encode
_DECODER: Final = msgspec.msgpack.Decoder(_Move)


class SessionMoves:
    """Tells other gateways of sessions, and binds them as others do.

    :param credentials: returns all accounts.
    """

    def __init__(
        self,
        state: Any,
        reactor: Any,
        bindings: Bindings,
        credentials: Callable[[], Iterable[Credential]],
        *,
        wall: Callable[[], float],
    ) -> None:
        self._state = state
        self._bindings = bindings
        self._credentials = credentials
        self._table = SharedTable(
            state,
            reactor,
            "sessions",
            lambda: _PARTS,
            self._taken,
            wall=wall,
            max_rows=_MAX_ROWS,
        )

    def start(self) -> Any:
        """Return a Deferred that fires when what others know was read, or cannot be."""
        return self._table.start()

    def stop(self) -> Any:
        """Return a Deferred that fires when the others know everything."""
        return self._table.stop()

    def bound(
        self,
        session: str,
        candidates: Sequence[Candidate],
        chosen: Candidate,
        rank: Sequence[UpstreamModel],
    ) -> None:
        """Tell the others that a session was bound to an account, if they do not expect it.

        :param rank: the upstream models of the account's rank.
        """
        if not self._state.is_shared:
            return
        models = tuple(sorted((each.upstream, each.model) for each in rank))
        part, key = _place(session, models)
        target = chosen.upstream_model
        move = _Move(session, target.upstream, target.model, chosen.credential, models)
        known = self._table.get(part, key)
        if known is None:
            peers = [each for each in candidates if each.rank == chosen.rank]
            expected = hashed_choice(peers, session)
            if expected is not None and expected.credential == chosen.credential:
                return
        self._table.set(part, key, _encode(move), TTL)

    def _taken(self, part: str, row: TableRow) -> None:
        if not row.value:
            return
        move = _DECODER.decode(row.value)
        if any(
            each.id == move.credential and each.upstream == move.upstream
            for each in self._credentials()
        ):
            for upstream, model in move.rank:
                if (upstream, model) != (move.upstream, move.model):
                    self._bindings.remove(move.session, upstream, model)
            self._bindings.move(move.session, move.upstream, move.model, move.credential)


def _place(session: str, rank: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Return part and key of a session in the table."""
    data = repr((session, rank)).encode("utf-8", "surrogatepass")
    key = hashlib.blake2b(data, digest_size=12).hexdigest()
    return key[:2], key[2:]
