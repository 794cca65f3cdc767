"""Connect and disconnect clients on this machine: read, show, write, and remember for the undo."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from antigravity.config.atomic import write_atomically, write_private
from antigravity.connect import changes
from antigravity.connect.changes import Change
from antigravity.connect.client import Client, ClientFile, Format, Places, Target, holds_key
from antigravity.connect.client_files import (
    MAX_BYTES,
    decode_text,
    permissions,
    read_file,
    remove_file,
    write_file,
)
from antigravity.connect.file_lock import locked
from antigravity.connect.files.document import MISSING, DocumentError, find, show
from antigravity.connect.plan import (
    ChangedMeanwhileError,
    ConnectError,
    Connection,
    FileChange,
    FileRecord,
    Plan,
    State,
)

#: In the gateway's home; both are for the owner only, because previous values can be keys.
_RECORDS: Final = "state/connections.json"
_LOCK: Final = "state/connections.lock"
_BACKUPS: Final = "backups/clients"
#: The permissions of others than the owner.
_OTHERS: Final = 0o077
#: How many copies of each file are kept.
KEPT_BACKUPS: Final = 5


class Connections:
    """The clients of this user, and which of them are connected.

    :param home: the gateway's.
    :param largest: the bytes of the largest file that is read.
    """

    def __init__(self, home: Path, places: Places, largest: int = MAX_BYTES) -> None:
        self._home = home
        self._places = places
        self._largest = largest

    def plan_connect(self, client: Client, target: Target) -> Plan:
        """Return what connecting a client changes.

        :raises ConnectError: if a file cannot be changed.
        """
        known = self._load().get(client.name)
        found = {file.path: file for file in known.files} if known else {}
        files = [
            self._connect_file(file, found.pop(str(file.path), None), target)
            for file in self._files_of(client, target)
        ]
        # files that are not used any more, such as after another folder was configured
        files += [self._disconnect_file(record) for record in found.values()]
        return Plan(client, files, target.address)

    def plan_disconnect(self, client: Client) -> Plan:
        """Return what disconnecting a client changes.

        :raises ConnectError: if it was not connected, or a file cannot be changed.
        """
        known = self._load().get(client.name)
        if known is None:
            raise ConnectError(f"{client.title} was not connected by antigravity connect.")
        return Plan(client, [self._disconnect_file(record) for record in known.files])

    def apply(self, plan: Plan) -> None:
        """Write the files of a plan, and remember it.

        :raises ChangedMeanwhileError: if a file has changed since the plan was made; nothing is
            written then.
        :raises ConnectError: if a file cannot be written.
        """
        with locked(self._home / _LOCK):
            self._apply(plan)

    def _apply(self, plan: Plan) -> None:
        for file in plan.files:
            if read_file(file.path, self._largest) != file.before:
                raise ChangedMeanwhileError(f"{file.path} has just been changed by something else.")
        before = self._load().get(plan.client.name)
        records = {record.path: record for record in before.files} if before else {}
        written: list[FileChange] = []
        try:
            for file in plan.files:
                self._write(plan, file, records)
                written.append(file)
            self._remember(plan, records)
        except OSError as error:
            for each in written:
                _restore(each)
            with contextlib.suppress(OSError), self._changed() as connections:
                connections.pop(plan.client.name, None)
                if before is not None:
                    connections[plan.client.name] = before
            why = error.strerror or "unknown"
            raise ConnectError(f"{file.path} cannot be written: {why}.") from None

    def _write(self, plan: Plan, file: FileChange, records: dict[str, FileRecord]) -> None:
        """Write one file, and remember it: before, because the process may be killed."""
        path, record = str(file.path), file.record
        backup = self._back_up(plan.client, file) if file.is_change else ""
        if record is not None:
            if not record.backup and record.existed and record.digest:
                record = msgspec.structs.replace(record, backup=backup)
            records[path] = record
            self._remember(plan, records)
        if file.is_change and file.after is None:
            remove_file(file.path)
            _remove_empty(file.path, self._made_for(plan.client, file.path))
        elif file.is_change and file.after is not None:
            write_file(file.path, file.after, file.modes and file.modes[1])
        if record is None:
            records.pop(path, None)

    def _remember(self, plan: Plan, records: dict[str, FileRecord]) -> None:
        """Remember which files of a client were changed, if any."""
        with self._changed() as connections:
            known = connections.pop(plan.client.name, None)
            address = plan.address or (known.address if known else "")
            if records:
                files = list(records.values())
                connections[plan.client.name] = Connection(address, time.time(), files)

    def state(self, client: Client) -> State:
        """Return whether a client is there, and where it points."""
        installed = self.is_installed(client)
        if client.files is None:
            return State(client.name, client.title, installed, "by hand")
        known = self._load().get(client.name)
        files = self._files_of(client, Target("http://127.0.0.1", ""))
        try:
            address = self._address_in(client, files[0])
            if known is None:
                state: Any = "elsewhere" if address else "not connected"
                return State(client.name, client.title, installed, state, address)
            data = {
                file.path: self._plain(Path(file.path), file.format, file.root)
                for file in known.files
            }
        except (ConnectError, OSError) as error:
            return State(client.name, client.title, installed, "unreadable", problem=str(error))
        ours = all(
            changes.is_ours(data[file.path], setting)
            for file in known.files
            for setting in file.settings
        )
        state = "connected" if ours else "changed"
        return State(client.name, client.title, installed, state, known.address)

    def is_installed(self, client: Client) -> bool:
        """Return whether a client's program or its folder is there."""
        search = self._places.variables.get("PATH")
        if any(shutil.which(name, path=search) for name in client.programs):
            return True
        return any(folder.exists() for folder in client.folders(self._places))

    def find_obstacle(self, client: Client) -> str:
        """Return which setting of the user's keeps a client from being started with variables.

        :raises ConnectError: if a file cannot be read.
        """
        for file in client.obstacles(self._places):
            data = self._plain(file.path, file.format, file.root)
            for setting in file.settings:
                found = find(data, setting.path)
                if found is not MISSING and found != setting.value:
                    return f"{show(setting.path)} is {found!r} in {file.path}"
        return ""

    # -- files --

    def _files_of(self, client: Client, target: Target) -> list[ClientFile]:
        """Return the files of a client; variables may name them from the current folder."""
        assert client.files is not None
        return [
            msgspec.structs.replace(file, path=file.path.absolute())
            for file in client.files(target, self._places)
        ]

    def _connect_file(
        self, file: ClientFile, known: FileRecord | None, target: Target
    ) -> FileChange:
        before = read_file(file.path, self._largest)
        text = decode_text(file.path, before)
        try:
            change = changes.connect(file, text, known.settings if known else ())
        except DocumentError as error:
            raise ConnectError(f"{file.path} stays as it is: {error}.") from None
        after = (change.text or "").encode("utf-8")
        if not change.records:  # nothing of ours is in it: an empty file is not made
            return FileChange(file.path, before, before, change, file.format, file.root)
        is_untouched = known is None or _digest(before) == known.digest
        mode, kept = permissions(file.path), known.mode if known else None
        modes: tuple[int, int] | None = None
        if mode is not None and mode & _OTHERS and holds_key(file, target):
            modes, kept = (mode, mode & ~_OTHERS), mode
        record = FileRecord(
            str(file.path),
            file.format,
            known.existed if known else before is not None,
            _digest(after) if is_untouched else "",
            list(change.records),
            known.backup if known else "",
            file.root,
            known.made if known else _first_missing(file.path),
            kept,
        )
        return FileChange(file.path, before, after, change, file.format, file.root, record, modes)

    def _disconnect_file(self, record: FileRecord) -> FileChange:
        path, kind, root = Path(record.path), record.format, record.root
        before = read_file(path, self._largest)
        if before is None:
            return FileChange(path, None, None, Change(None), kind, root)
        if _digest(before) == record.digest:  # nobody has touched it
            original = self._original(record)
            if original is not None or not record.existed:
                modes = _modes_again(record) if original is not None else None
                return FileChange(path, before, original, Change(None), kind, root, modes=modes)
        text = decode_text(path, before)
        try:
            change = changes.disconnect(kind, root, text, record.settings, existed=record.existed)
        except DocumentError as error:
            raise ConnectError(f"{path} stays as it is: {error}.") from None
        after = None if change.text is None else change.text.encode("utf-8")
        modes = _modes_again(record) if after is not None else None
        return FileChange(path, before, after, change, kind, root, modes=modes)

    def _original(self, record: FileRecord) -> bytes | None:
        if not record.backup:
            return None
        try:
            return (self._home / record.backup).read_bytes()
        except OSError:
            return None

    def _made_for(self, client: Client, path: Path) -> str:
        """Return the first of the folders that were made for a file, ``""`` if none was."""
        known = self._load().get(client.name)
        records = known.files if known else []
        return next((each.made for each in records if each.path == str(path)), "")

    def _back_up(self, client: Client, file: FileChange) -> str:
        """Copy a file into the gateway's home, and return the copy's path in it."""
        if file.before is None:
            return ""
        kept = self._load().get(client.name)
        needed = {Path(each.backup).name for each in kept.files} if kept else set()
        folder = self._home / _BACKUPS / client.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns()}-{file.path.name}"
        write_atomically(folder / name, file.before)
        copies = sorted(folder.glob(f"*-{file.path.name}"))
        for old in copies[:-KEPT_BACKUPS]:
            if old.name not in needed:
                old.unlink(missing_ok=True)
        return f"{_BACKUPS}/{client.name}/{name}"

    def _address_in(self, client: Client, file: ClientFile) -> str:
        """Return where the configuration of a client points, ``""`` if nowhere in particular."""
        if not client.address:
            return ""
        found = find(self._plain(file.path, file.format, file.root), client.address)
        return found if found is not MISSING and isinstance(found, str) else ""

    def _plain(self, path: Path, kind: Format, root: Any) -> Any:
        """Return the settings in a file, those of an empty one if there is none."""
        text = decode_text(path, read_file(path, self._largest))
        try:
            return changes.open_document(kind, text, root).plain()
        except DocumentError as error:
            raise ConnectError(f"{path}: {error}") from None

    # -- what is remembered --

    def _load(self) -> dict[str, Connection]:
        try:
            data = (self._home / _RECORDS).read_bytes()
            return msgspec.json.decode(data, type=dict[str, Connection])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            path = self._home / _RECORDS
            raise ConnectError(
                f"{path} cannot be read: {error}.  Without it nothing can be undone; move it away "
                "to connect clients anew."
            ) from None

    @contextlib.contextmanager
    def _changed(self) -> Iterator[dict[str, Connection]]:
        connections = self._load()
        yield connections
        path = self._home / _RECORDS
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, msgspec.json.format(msgspec.json.encode(connections)))


def _modes_again(record: FileRecord) -> tuple[int, int] | None:
    """Return the permissions that a file has and had, ``None`` if somebody has changed them."""
    if record.mode is None or permissions(Path(record.path)) != record.mode & ~_OTHERS:
        return None
    return record.mode & ~_OTHERS, record.mode


def _first_missing(path: Path) -> str:
    """Return the first folder above ``path`` that does not exist, ``""`` if all do."""
    missing = [each for each in path.parents if not each.exists()]
    return str(missing[-1]) if missing else ""


def _remove_empty(path: Path, made: str) -> None:
    """Remove the empty folders above ``path``, up to the first one that was made for it."""
    folders = list(path.parents)
    if not made or Path(made) not in folders:
        return
    for folder in folders[: folders.index(Path(made)) + 1]:
        try:
            folder.rmdir()
        except OSError:  # somebody has put something into it
            return


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _restore(file: FileChange) -> None:
    """Put a file back as it was, as far as possible."""
    if file.is_change:
        with contextlib.suppress(OSError):
            if file.before is None:
                remove_file(file.path)
            else:
                write_file(file.path, file.before, file.modes and file.modes[0])
