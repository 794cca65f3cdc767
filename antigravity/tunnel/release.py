"""Releases of cloudflared: the file for each platform, with its size and digest."""

from __future__ import annotations

import platform
import re
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.ir.json_reader import decode

_MACHINES: Final = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "x86": "386",
}
#: The released architectures by system; Windows on ARM runs programs for amd64, too.
_RELEASED: Final = {
    "linux": ("amd64", "arm64", "arm", "386"),
    "darwin": ("amd64", "arm64"),
    "windows": ("amd64", "386"),
}
_ENDINGS: Final = {"linux": "", "darwin": ".tgz", "windows": ".exe"}
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)


class InstallError(Exception):
    """cloudflared was not installed; the message says why, and what to do."""


class Asset(Struct, frozen=True):
    """One file of a release."""

    name: str
    browser_download_url: str
    size: int
    digest: str | None = None


class Release(Struct, frozen=True):
    """A release, from GitHub's API."""

    tag_name: str
    assets: tuple[Asset, ...] = ()


class ReleaseFile(Struct, frozen=True):
    """The file to download, with its size in bytes and its SHA-256 in hexadecimal."""

    version: str
    name: str
    url: str
    size: int
    sha256: str


def asset_name(system: str = "", machine: str = "") -> str:
    """Return the name of the file for a platform, by default the current one.

    :raises InstallError: if there is none.
    """
    system = (system or platform.system()).lower()
    machine = (machine or platform.machine()).lower()
    kind = _MACHINES.get(machine, "arm" if machine.startswith("arm") else machine)
    if system == "windows" and kind == "arm64":
        kind = "amd64"
    if kind not in _RELEASED.get(system, ()):
        raise InstallError(
            f"there is no cloudflared for {system} on {machine}; build it, and put it on the PATH"
        )
    return f"cloudflared-{system}-{kind}{_ENDINGS[system]}"


def find_file(response: bytes, name: str, sha256: str = "") -> ReleaseFile:
    """Return the file called ``name`` of a release, from a response of GitHub's API.

    ``sha256`` is used instead of GitHub's digest, if given.

    :raises InstallError: if there is no such file, or no digest.
    """
    try:
        release = decode(response, Release)
    except msgspec.DecodeError as error:
        raise InstallError(f"the description of the release is malformed: {error}") from None
    for asset in release.assets:
        if asset.name == name:
            break
    else:
        raise InstallError(f"release {release.tag_name} has no file {name}")
    listed = _DIGEST.fullmatch(asset.digest or "")
    if not sha256 and listed is None:
        raise InstallError(
            f"release {release.tag_name} has no SHA-256 for {name}; pass one with --sha256"
        )
    digest = sha256 or (listed[1] if listed else "")
    return ReleaseFile(
        release.tag_name, name, asset.browser_download_url, asset.size, digest.lower()
    )
