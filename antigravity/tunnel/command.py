"""How cloudflared is called: nothing secret on the command line, nothing needless around it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from antigravity.config.settings import TunnelSettings
from antigravity.processes.command import Command

#: What goes over from our own environment: where certificates and temporary files are, and
#: what programs cannot start without.
_KEPT: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)
_CONFIGURATION: Final = "config.yml"
#: It must not be empty; and cloudflared would else read one of the user's or the machine's,
#: with other origins in it.
_CONTENT: Final = "# Made anew at each start of the tunnel.\nno-autoupdate: true\n"


def tunnel_directory(home: Path) -> Path:
    """Return the folder that cloudflared takes for its user's home."""
    return home / "state" / "tunnel"


def prepare(home: Path) -> None:
    """Make the folder, and the configuration file in it.

    :raises OSError: if that can't be done.
    """
    directory = tunnel_directory(home)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _CONFIGURATION).write_text(_CONTENT, encoding="ascii")


def tunnel_command(
    executable: Path,
    tunnel: TunnelSettings,
    port: int,
    home: Path,
    environ: Mapping[str, str] = os.environ,
) -> Command:
    """Return how to run the tunnel of the settings to ``port`` of this machine."""
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
    environment = {name: environ[name] for name in _KEPT if name in environ}
    environment["HOME"] = str(directory)
    if tunnel.mode == "token":
        arguments.append("run")
        environment["TUNNEL_TOKEN"] = tunnel.token.reveal()
    return Command(executable, tuple(arguments), environment, directory)
