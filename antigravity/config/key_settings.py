"""The settings of where keys of clients are stored."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.config.value_types import TextSecret

#: The address that stands for the files of the home directory.
HOME_FILES: Final = "file:"


class KeySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[keys]``: where the keys of clients are, and what they have spent.

    See `keys <keys.rst#keys-in-postgresql>`_.
    """

    url: TextSecret = Secret()
    """A PostgreSQL database, which several gateways can share, or ``file:`` for ``keys.json`` in
    the home directory.  Empty: the database of ``ledger.url`` if that is set, else ``keys.json``.

    Plugins can add others.  The address is a secret.

    Example: ``"postgresql://user:password@db.example.org/antigravity"``
    """


def key_store_url(keys: KeySettings, ledger: LedgerSettings) -> str:
    """Return the address of the key store."""
    return keys.url.reveal() or ledger.url.reveal() or HOME_FILES
