"""Find the program cloudflared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from antigravity.config.settings import TunnelSettings

NAME: Final = "cloudflared"


class NotInstalledError(Exception):
    """cloudflared was not found; the message says how to install it."""


def installed_path(home: Path) -> Path:
    """Return the path at which ``antigravity tunnel install`` installs it."""
    return home / "bin" / (f"{NAME}.exe" if os.name == "nt" else NAME)


def find_executable(tunnel: TunnelSettings, home: Path) -> Path:
    """Return the path of the program: from the settings, the PATH, or the gateway's home.

    :raises NotInstalledError: if it is not found.
    """
    if tunnel.executable:
        found = shutil.which(Path(tunnel.executable).expanduser())
        if found is None:
            raise NotInstalledError(
                f"tunnel.executable: {tunnel.executable} is not an executable file"
            )
        return Path(found).absolute()
    found = shutil.which(NAME) or shutil.which(installed_path(home))
    if found is None:
        raise NotInstalledError(
            "cloudflared is not installed; run 'antigravity tunnel install', or put it on the PATH"
        )
    return Path(found).absolute()
