"""What ``antigravity doctor --fix`` repairs: only what cannot lose anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from antigravity.accounts.files import AccountFiles
from antigravity.config.atomic import remove_leftovers
from antigravity.config.home import FILE_NAME, open_to_others, prepare_home
from antigravity.config.running_gateway import find_running_gateway, record_path
from antigravity.interfaces.system import Finding
from antigravity.oauth.grants import GrantFile, stored_names

#: With less room, the ledger and its growth stop first; in bytes.
LITTLE_ROOM: Final = 1024**3
#: With less room nothing can be written soon.
NO_ROOM: Final = 100 * 1024**2
#: Temporary files of killed processes are older, in seconds.
LEFTOVER_AGE: Final = 3600.0


class Repair(Struct, frozen=True):
    """Something that can be repaired; ``apply`` may raise an ``OSError``."""

    text: str
    apply: Callable[[], object]


def private_paths(home: Path, config_file: Path | None) -> Iterator[tuple[Path, int]]:
    """Yield files and folders that only their owner should read, with the mode they should have."""
    files = AccountFiles(home)
    yield home, 0o700
    yield files.directory, 0o700
    yield config_file or home / FILE_NAME, 0o600
    for path in files.paths():
        yield path, 0o600
    for name in stored_names(home):
        yield GrantFile(home, name).path, 0o600


def open_paths(home: Path, config_file: Path | None) -> Iterator[tuple[Path, int]]:
    """Yield those that others can read."""
    for path, mode in private_paths(home, config_file):
        if path.exists() and open_to_others(path):
            yield path, mode


def repairs(home: Path, config_file: Path | None) -> Iterator[Repair]:
    """Yield what can be repaired without losing anything."""
    if not home.is_dir():
        yield Repair(f"create {home}", partial(prepare_home, home))
        return
    for path, mode in open_paths(home, config_file):
        yield Repair(f"let only its owner read {path}", partial(path.chmod, mode))
    record = record_path(home)
    if record.exists() and find_running_gateway(home) is None:
        yield Repair(f"remove {record}, which a killed gateway has left", record.unlink)
    files = AccountFiles(home)
    records, _ = files.load()
    untidy = set(files.untidy)
    for account in records:
        if files.path_of(account.id) in untidy:
            yield Repair(
                f"write the bare secret into {files.path_of(account.id)}",
                partial(files.save, account),
            )
    for folder in (home, files.directory, home / "state"):
        if any(folder.glob(".*.tmp")):
            yield Repair(
                f"remove temporary files of killed processes from {folder}",
                partial(remove_leftovers, folder, age=LEFTOVER_AGE),
            )


def disk_finding(home: Path) -> Iterator[Finding]:
    """Check the room on the disk of the home directory."""
    folder = next((each for each in (home, *home.parents) if each.is_dir()), None)
    if folder is None:
        return
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**2:,.0f} MiB are free in {folder}"
    if free < NO_ROOM:
        yield Finding("disk", "failed", detail, "make room: nothing can be stored soon")
    elif free < LITTLE_ROOM:
        remedy = "make room, or lower ledger.max_bytes"
        yield Finding("disk", "warning", detail, remedy)
    else:
        yield Finding("disk", "ok", detail)
