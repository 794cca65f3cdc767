"""Account files: one JSON file for each account, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from antigravity.accounts.records import AccountRecord
from antigravity.config.addresses import address_problem
from antigravity.config.atomic import sync_directory, write_atomically
from antigravity.config.checks import name_problem
from antigravity.config.home import ACCOUNTS_NAME
from antigravity.config.keys import KeyFormatError, clean_key
from antigravity.config.raw_configuration import read_file
from antigravity.config.secret import Secret
from antigravity.config.spelling import closest
from antigravity.config.validation import decode_secret
from antigravity.ir.mismatch import find_mismatch

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")


#: The warning for a secret that is surrounded by white space, quotes or a scheme.
UNTIDY: Final = "white space, quotes or 'Bearer' around the secret are ignored"


class AccountError(Exception):
    """An account cannot be read, written or found; the text says which and why."""


class BrokenFile(msgspec.Struct, frozen=True):
    """A file without a valid account, and the reason."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class AccountFiles:
    """The accounts of one home directory.

    The name of a file, without ``.json``, is the account's id.  Unknown fields stay in the file.
    """

    def __init__(self, home: Path) -> None:
        self.directory = home / ACCOUNTS_NAME
        #: After :meth:`load`, the files that deserve the warning :data:`UNTIDY`.
        self.untidy: list[Path] = []

    def load(self) -> tuple[list[AccountRecord], list[BrokenFile]]:
        """Return all accounts, oldest first, and the files without a valid account."""
        records: list[AccountRecord] = []
        broken: list[BrokenFile] = []
        self.untidy = []
        if (reason := self.directory_problem()) is not None:
            broken.append(BrokenFile(self.directory, reason))
        for path in self.paths():
            try:
                record, fields = _read(path)
            except AccountError as error:
                broken.append(BrokenFile(path, str(error)))
                continue
            records.append(record)
            if record.secret.reveal() != fields.get("secret"):
                self.untidy.append(path)
        return sorted(records, key=lambda record: (record.created, record.id)), broken

    def paths(self) -> Iterator[Path]:
        """Yield the files in the order of their names; none if the folder cannot be read."""
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return
        for name in names:
            if name.endswith(".json") and not name.startswith("."):
                yield self.directory / name

    def marks(self) -> dict[str, str]:
        """Return for the id of each account a mark that changes when its file is written."""
        found = {}
        for path in self.paths():
            with contextlib.suppress(OSError):
                found[path.stem] = str(path.stat().st_mtime_ns)
        return found

    def touch(self, identifier: str) -> None:
        """Change the mark of an account, so that its locks end.

        :raises AccountError: if there is no such account.
        """
        try:
            os.utime(self.path_of(identifier))
        except FileNotFoundError:
            raise AccountError(f"account {identifier} does not exist") from None

    def directory_problem(self) -> str | None:
        """Return why the folder cannot be read; ``None`` if it can, or does not exist."""
        try:
            os.listdir(self.directory)
        except FileNotFoundError:
            if self.directory.is_symlink():
                return "it is a link to a folder that does not exist"
            return None
        except OSError as error:
            return error.strerror or "it cannot be read"
        return None

    def save(self, record: AccountRecord) -> None:
        """Write ``record`` to its file; unknown fields stay.

        :raises AccountError: if there is a file of that name without a valid account.
        """
        path = self.path_of(record.id)
        fields: dict[str, Any] = {}
        if path.exists():
            try:
                fields = _read(path)[1]
            except AccountError as error:
                raise AccountError(f"{path}: {error}; move the file away first") from None
        fields.update(msgspec.to_builtins(record, enc_hook=_reveal))
        text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
        write_atomically(path, text.encode())

    def remove(self, identifier: str) -> None:
        """Remove the account's file.

        :raises AccountError: if there is no such account.
        """
        try:
            self.path_of(identifier).unlink()
        except FileNotFoundError:
            raise AccountError(f"account {identifier} does not exist") from None
        sync_directory(self.directory)

    def find(self, name: str) -> AccountRecord:
        """Return the account with that id or label, or the only one whose id begins with it.

        :raises AccountError: if no account or several accounts match.
        """
        records, _ = self.load()
        label = name.casefold()
        for matches in (
            [record for record in records if record.id == name],
            [record for record in records if record.label.casefold() == label],
            [record for record in records if record.id.startswith(name)],
        ):
            if name and len(matches) == 1:
                return matches[0]
            if name and matches:
                ids = ", ".join(record.id for record in matches)
                raise AccountError(f"{name!r} matches several accounts: {ids}")
        near = closest(name, (each for record in records for each in (record.id, record.label)))
        hint = f"did you mean {near!r}? Run" if near else "run"
        raise AccountError(f"account {name!r} does not exist; {hint} 'antigravity accounts list'")

    def disable(self, identifier: str, secret: Secret, reason: str, when: float) -> bool:
        """Disable an account, if ``secret`` is still its secret; return whether it was.

        An account with a new secret stays enabled.

        :raises AccountError: if its file cannot be read or written.
        """
        path = self.path_of(identifier)
        if not path.exists():
            return False
        record, _ = _read(path)
        if record.secret != secret:
            return False
        self.save(
            msgspec.structs.replace(record, enabled=False, disabled_reason=reason, disabled_at=when)
        )
        return True

    def switch(self, name: str, *, enabled: bool, reason: str, when: float) -> AccountRecord:
        """Enable an account, which also ends its locks, or disable it with ``reason``.

        :param name: its id or label, or the beginning of its id.
        :raises AccountError: if there is no such account, or its file cannot be written.
        """
        record = msgspec.structs.replace(
            self.find(name),
            enabled=enabled,
            disabled_reason="" if enabled else reason,
            disabled_at=0.0 if enabled else when,
        )
        self.save(record)
        return record

    def has(self, identifier: str) -> bool:
        """Return whether there is a file for that id, valid or not."""
        return bool(_ID.fullmatch(identifier)) and self.path_of(identifier).exists()

    def path_of(self, identifier: str) -> Path:
        """Return the file of an account.

        :raises AccountError: if that is no valid id.
        """
        if not _ID.fullmatch(identifier):
            raise AccountError(f"{identifier!r} is not a valid account id")
        return self.directory / f"{identifier}.json"


def _read(path: Path) -> tuple[AccountRecord, dict[str, Any]]:
    """Return the account in a file, and all its fields; errors never quote a value."""
    if not _ID.fullmatch(path.stem):
        raise AccountError("the file name is not a valid account id")
    try:
        data = read_file(path)
        fields = json.loads(data)
    except OSError as error:
        raise AccountError(error.strerror or "it cannot be read") from None
    except json.JSONDecodeError as error:
        raise AccountError(f"it is not valid JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):
        raise AccountError("it is not valid JSON") from None
    if not isinstance(fields, dict):
        raise AccountError("it is not a JSON object")
    try:
        record = msgspec.convert({**fields, "id": path.stem}, AccountRecord, dec_hook=decode_secret)
    except msgspec.ValidationError:
        raise AccountError(_fault(fields)) from None
    try:
        clean = clean_key(record.secret.reveal())
    except KeyFormatError as error:
        raise AccountError(f"the secret {error} (line {_secret_line(data)})") from None
    record = msgspec.structs.replace(record, secret=Secret(clean))
    if not record.kind or not record.secret:
        raise AccountError("it has no kind" if not record.kind else "it has no secret")
    if record.base_url and (problem := address_problem(record.base_url)):
        raise AccountError(f"base_url: {problem}")
    if record.upstream and (problem := name_problem(record.upstream)):
        raise AccountError(f"upstream: {problem}")
    return record, fields


def _secret_line(data: bytes) -> int:
    """Return the line of the secret in a file."""
    return data[: max(data.find(b'"secret"'), 0)].count(b"\n") + 1


def _reveal(value: object) -> object:
    """Return the text of a secret, for ``msgspec``: account files contain secrets."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _fault(fields: dict[str, Any]) -> str:
    """Return the first invalid field of a file, and why it is invalid."""
    found = find_mismatch({"id": "", **fields}, AccountRecord, texts=(Secret,))
    return f"{found.at()}: {found.problem}" if found.path else found.problem
