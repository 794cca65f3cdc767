"""Why a ledger cannot be used; the messages name the reason and what was done."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be used now."""


class DamagedError(LedgerError):
    """The file was damaged, and was set aside."""


class NewerVersionError(LedgerError):
    """The file was written by a newer version of the gateway."""
