"""The command line of cloudflared: without secrets, and with a minimal environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from antigravity.config.settings import TunnelSettings
from antigravity.processes.command import Command

#: The variables that cloudflared inherits: paths of certificates and temporary files, and those
#: that programs need to start.
_INHERITED: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)
_CONFIGURATION: Final = "config.yml"
#: The content of cloudflared's configuration file.  Without this file it would read that of
#: the user or the machine, with other origins.
_CONFIGURATION_TEXT: Final = "# Written at each start of the tunnel.\nno-autoupdate: true\n"


def tunnel_directory(home: Path) -> Path:
    """Return the folder that cloudflared uses as its home."""
    return home / "state" / "tunnel"


def prepare(home: Path) -> None:
    """Create the folder and its configuration file.

    :raises OSError: if that fails.
    """
    directory = tunnel_directory(home)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _CONFIGURATION).write_text(_CONFIGURATION_TEXT, encoding="ascii")


def tunnel_command(
    executable: Path,
    tunnel: TunnelSettings,
    port: int,
    home: Path,
    environ: Mapping[str, str] = os.environ,
) -> Command:
    """Return the command for the tunnel of the settings to local ``port``."""
    directory = tunnel_directory(home)
    arguments = [
        "tunnel",
        "--config",
        str(directory / _CONFIGURATION),
        "--no-autoupdate",
        "--metrics",
        "127.0.0.1:0",
    ]
    if tunnel.protocol != "auto":
        arguments += ["--protocol", tunnel.protocol]
    arguments += ["--url", f"http://127.0.0.1:{port}"]
    environment = {name: environ[name] for name in _INHERITED if name in environ}
    environment["HOME"] = str(directory)
    if tunnel.mode == "token":
        arguments.append("run")
        environment["TUNNEL_TOKEN"] = tunnel.token.reveal()
    return Command(executable, tuple(arguments), environment, directory)
