"""The files that start the gateway with a user's session, for systemd and for launchd.  Pure."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

Manager = Literal["systemd", "launchd"]

#: The name of the service; launchd's label.
NAME: Final = "antigravity-gateway"
#: What shows that a file is from here, so that it may be replaced and removed.
MARKER: Final = "Written by 'antigravity service install'."

_UNIT: Final = """\
# {marker}  Changes are lost with the next one.
[Unit]
Description=antigravity, a gateway between LLM clients and providers

[Service]
Type=simple
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# Longer than proxy.shutdown_grace, so that requests in progress can end.
TimeoutStopSec=20
# Send SIGTERM to the gateway only: it stops its own programs, such as cloudflared, in order.
KillMode=mixed
NoNewPrivileges=true
UMask=0077

[Install]
WantedBy=default.target
"""


class ServiceFile(Struct, frozen=True):
    """A file of a service manager, and the commands that apply it, without shells.

    :ivar check: exits with 0 if the service runs.
    """

    path: Path
    text: str
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    after_removal: tuple[tuple[str, ...], ...]
    check: tuple[str, ...]


def service_file(
    manager: Manager, command: Sequence[str], environ: Mapping[str, str], user_home: Path, uid: int
) -> ServiceFile:
    """Return the file for a service manager.

    :param command: the program with its arguments.
    :param environ: the environment, which may name the directory of configuration files.
    :raises ValueError: if an argument contains a line end.
    """
    if any("\n" in each or "\r" in each or "\0" in each for each in command):
        raise ValueError("a path contains a line end")
    if manager == "launchd":
        return _agent(command, user_home, uid)
    base = environ.get("XDG_CONFIG_HOME") or str(user_home / ".config")
    systemctl = ("systemctl", "--user")
    unit = f"{NAME}.service"
    return ServiceFile(
        Path(base) / "systemd" / "user" / unit,
        _UNIT.format(marker=MARKER, command=" ".join(map(_quoted, command))),
        (
            (*systemctl, "daemon-reload"),
            (*systemctl, "enable", unit),
            (*systemctl, "restart", unit),
        ),
        ((*systemctl, "disable", "--now", unit),),
        ((*systemctl, "daemon-reload"),),
        (*systemctl, "is-active", "--quiet", unit),
    )


def _agent(command: Sequence[str], user_home: Path, uid: int) -> ServiceFile:
    path = user_home / "Library" / "LaunchAgents" / f"{NAME}.plist"
    domain = f"gui/{uid}"
    content = {
        "Label": NAME,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Background",
        "Umask": 0o077,
        # The gateway keeps a log of limited size in its home.
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/dev/null",
        "Comment": MARKER,
    }
    return ServiceFile(
        path,
        plistlib.dumps(content, sort_keys=False).decode(),
        (("launchctl", "bootstrap", domain, str(path)),),
        (("launchctl", "bootout", f"{domain}/{NAME}"),),
        (),
        ("launchctl", "print", f"{domain}/{NAME}"),
    )


def _quoted(argument: str) -> str:
    """Return an argument of ``ExecStart`` in quotes, without specifiers and variables."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'
