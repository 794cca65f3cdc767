"""Install cloudflared into the home directory: download, verify, then replace atomically."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from antigravity.config.atomic import sync_directory
from antigravity.tunnel.download import Progress, ReleaseDownload, check_digest
from antigravity.tunnel.executable import NAME, installed_path
from antigravity.tunnel.release import InstallError, ReleaseFile, asset_name, find_file

GITHUB_API: Final = "https://api.github.com"
_RELEASES: Final = "repos/cloudflare/cloudflared/releases"
#: The maximum size of a release, packed or unpacked.
_LARGEST: Final = 300 * 1024 * 1024


async def find_release(
    web: ReleaseDownload, api: str = GITHUB_API, version: str = "", sha256: str = "", name: str = ""
) -> ReleaseFile:
    """Return the file to install, of ``version`` or of the latest release.

    :raises InstallError: if there is none.
    """
    which = f"tags/{quote(version, safe='')}" if version else "latest"
    answer = await web.read(f"{api.rstrip('/')}/{_RELEASES}/{which}")
    asset = find_file(answer, name or asset_name(), sha256)
    if not 0 < asset.size <= _LARGEST:
        raise InstallError(f"{asset.name} has an implausible size: {asset.size} bytes")
    return asset


async def install(web: ReleaseDownload, asset: ReleaseFile, home: Path, progress: Progress) -> Path:
    """Install the program in the home, and return its path.

    The old program stays until the new one is verified.

    :raises InstallError: if the download fails, or the file differs from the released one.
    """
    path = installed_path(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _temporary(path) as (packed, file):
        with file:
            digest = await web.save(asset.url, file, asset.size, progress)
        check_digest(digest, asset.sha256)
        if asset.name.endswith(".tgz"):
            with _temporary(path) as (program, unpacked):
                with unpacked:
                    _unpack(packed, unpacked)
                _replace_program(program, path)
        else:
            _replace_program(packed, path)
    return path


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Create a temporary file beside ``path``, which is deleted at the end."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        yield Path(name), os.fdopen(descriptor, "wb")
    finally:
        Path(name).unlink(missing_ok=True)


def _replace_program(program: Path, path: Path) -> None:
    program.chmod(0o755)
    program.replace(path)
    sync_directory(path.parent)


def _unpack(packed: Path, target: IO[bytes]) -> None:
    """Write the program in an archive to ``target``; ignore the other members."""
    try:
        with tarfile.open(packed, "r:gz") as archive:
            member = archive.getmember(NAME)
            source = archive.extractfile(member) if member.isfile() else None
            if source is None or member.size > _LARGEST:
                raise InstallError("the archive does not contain the program")
            shutil.copyfileobj(source, target)
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise InstallError(f"the archive cannot be read: {error}") from error
