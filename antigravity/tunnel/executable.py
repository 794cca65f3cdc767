"""Where the program cloudflared is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from antigravity.config.settings import TunnelSettings

NAME: Final = "cloudflared"


class NotInstalledError(Exception):
    """There is no cloudflared; the text says how to get one."""


def installed_path(home: Path) -> Path:
    """Return where ``antigravity tunnel install`` puts it."""
    return home / "bin" / (f"{NAME}.exe" if os.name == "nt" else NAME)


def find_executable(tunnel: TunnelSettings, home: Path) -> Path:
    """Return the program: the one of the settings, else on the PATH, else in the home.

    :raises NotInstalledError: if it is nowhere.
    """
    if tunnel.executable:
        found = shutil.which(Path(tunnel.executable).expanduser())
        if found is None:
            raise NotInstalledError(f"tunnel.executable: {tunnel.executable} is no program")
        return Path(found).absolute()
    found = shutil.which(NAME) or shutil.which(installed_path(home))
    if found is None:
        raise NotInstalledError(
            "cloudflared is not installed; run 'antigravity tunnel install', or put it on the PATH"
        )
    return Path(found).absolute()
