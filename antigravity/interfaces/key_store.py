"""Where the keys of clients and what they have spent are stored; plugins can add more places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface


class KeySet(Struct, frozen=True):
    """All keys of a store, oldest first, as JSON objects; each has a text ``id`` of its own.

    They hold digests of secrets, made with ``salt``, which is empty as long as there is none.
    """

    salt: str = ""
    keys: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"<KeySet of {len(self.keys)}>"


class KeyStoreError(Exception):
    """The keys cannot be used, or not changed, as they are; the message says why."""


#: A change of keys: it gets all of them, and returns all of them.
Edit = Callable[[KeySet], KeySet]


class IKeyStore(Interface):
    """A store of keys, and of what they have spent.

    Deferreds fail with a ``StateError`` if the store is out of reach, within ten seconds.
    """

    name: str = Attribute("Its address without user and password, for people.")
    spending: Any = Attribute("What keys have spent, a provider of ``ISpending``.")

    def start() -> Deferred[None]:
        """Begin to watch and to spend; the Deferred fires also if the store is out of reach.

        Commands call only ``load``, ``change`` and ``stop``.
        """

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when all connections, threads and timers have ended."""

    def load() -> Deferred[KeySet]:
        """Return a Deferred with all keys.

        It fails with a :class:`KeyStoreError` if they are damaged.
        """

    def change(edit: Edit) -> Deferred[KeySet]:
        """Replace the keys by what ``edit`` returns for them, in one step; return the new ones.

        ``edit`` may be called in a thread, and again.  What it raises, the Deferred fails with,
        and nothing is changed.  The Deferred fails with a :class:`KeyStoreError` if the keys are
        damaged.  A key that is removed takes what it has spent with it.
        """

    def watch(changed: Callable[[], None], lost: Callable[[str], None]) -> None:
        """Call ``changed`` within a second when others have changed keys, or may have.

        So it is when the store can be reached again.  ``lost`` is called with the reason when it
        cannot be reached any more.  A store that only the gateway of its home changes, or whose
        files it watches, need not call them.
        """


class IKeyStoreKind(Interface):
    """A kind of key store, which the scheme of ``keys.url`` names."""

    schemes: tuple[str, ...] = Attribute("The schemes of its addresses, such as ``postgresql``.")

    def name(url: str) -> str:
        """Return an address without user and password, for people.

        :raises ValueError: if it is invalid; the message does not quote it.
        """

    def build(reactor: Any, home: Path, url: str) -> Any:
        """Return a provider of :class:`IKeyStore` that is not started, or a Deferred with one.

        :param home: the home directory of the gateway.
        :raises ValueError: if the address is invalid; the message does not quote it.
        """
