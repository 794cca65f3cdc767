"""Loads the accounts of a running gateway; an account outlives damage to its file."""

from __future__ import annotations

from msgspec import Struct

from antigravity.accounts.files import AccountFiles, BrokenFile
from antigravity.accounts.records import AccountRecord
from antigravity.config.atomic import remove_leftovers
from antigravity.config.errors import ConfigurationError, Problem


class LoadedAccounts(Struct, frozen=True):
    """The accounts to serve with.

    ``kept`` are files that can no longer be read; their accounts stay as they were.  ``broken``
    are files that could never be read.  ``marks`` has a text for each account id that changes
    when its file is written.
    """

    records: list[AccountRecord]
    kept: list[BrokenFile]
    broken: list[BrokenFile]
    marks: dict[str, str] = {}


class AccountLoader:
    """Reads account files, and remembers the last good content of each.

    Removing a file removes its account; a file that is empty, truncated or unreadable does not.
    """

    def __init__(self, files: AccountFiles) -> None:
        self._files = files
        remove_leftovers(files.directory, age=60.0)
        self._good: dict[str, AccountRecord] = {}

    def load(self) -> LoadedAccounts:
        """Return the accounts as they are now, oldest first.

        :raises ConfigurationError: if there were accounts, and their folder is gone or cannot be
            read.
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
        kept = [file for file in broken if file.path.stem in self._good]
        outlived = [self._good[file.path.stem] for file in kept]
        records = sorted([*records, *outlived], key=lambda record: (record.created, record.id))
        self._good = {record.id: record for record in records}
        return LoadedAccounts(records, kept, [file for file in broken if file not in kept], marks)
