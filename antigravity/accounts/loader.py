"""Loads the accounts of a running gateway, which keeps accounts whose files are damaged."""

from __future__ import annotations

from msgspec import Struct

from antigravity.accounts.files import AccountFiles, BrokenFile
from antigravity.accounts.records import AccountRecord
from antigravity.config.atomic import remove_leftovers
from antigravity.config.errors import ConfigurationError, Problem


class LoadedAccounts(Struct, frozen=True):
    """The accounts to use.

    ``outdated`` are files that can no longer be read; their accounts are not changed.  ``broken``
    are files that could never be read.  ``marks`` are as in :meth:`AccountFiles.marks`.
    """

    records: list[AccountRecord]
    outdated: list[BrokenFile]
    broken: list[BrokenFile]
    marks: dict[str, str] = {}


class AccountLoader:
    """Reads account files, and keeps the last valid content of each.

    Removing a file removes its account; an empty, truncated or unreadable file does not.
    """

    def __init__(self, files: AccountFiles) -> None:
        self._files = files
        remove_leftovers(files.directory, age=60.0)
        self._good: dict[str, AccountRecord] = {}

    def load(self) -> LoadedAccounts:
        """Return the current accounts, oldest first.

        :raises ConfigurationError: if there were accounts, and their folder is missing or cannot
            be read.
        """
        marks = self._files.marks()
        records, broken = self._files.load()
        directory = self._files.directory
        unreadable = [file.reason for file in broken if file.path == directory]
        if self._good and (unreadable or not directory.exists()):
            reason = unreadable[0] if unreadable else "the folder is missing"
            message = (
                f"{reason}; the gateway keeps its accounts. Restore the folder, or restart the "
                "gateway to serve without them"
            )
            raise ConfigurationError([Problem(message, place=str(directory))])
        outdated = [file for file in broken if file.path.stem in self._good]
        earlier = [self._good[file.path.stem] for file in outdated]
        records = sorted([*records, *earlier], key=lambda record: (record.created, record.id))
        self._good = {record.id: record for record in records}
        return LoadedAccounts(
            records, outdated, [file for file in broken if file not in outdated], marks
        )
