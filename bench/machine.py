"""What figures depend on: the machine, the versions, the commit and the date."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench.loops import loop_version
from bench.programs import SOURCE

_PACKAGES = ("Twisted", "klein", "treq", "msgspec", "httptools", "cryptography")


def versions() -> str:
    """Return the versions of Python and of the packages on which the speed depends."""
    found = [f"{platform.python_implementation()} {platform.python_version()}"]
    for name in _PACKAGES:
        found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def machine() -> str:
    """Return the processor, the number of its cores, the memory and the system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    kib = int(Path("/proc/meminfo").read_text().split()[1])
    version = ".".join(platform.release().split(".")[:2])
    system = f"{platform.system()} {version}"
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {kib / 2**20:.0f} GiB, {system}"


def commit(source: Path = SOURCE) -> str:
    """Return the commit of a checkout, with a note if files are changed."""
    command = ["git", "-C", str(source), "describe", "--always", "--dirty=, with changes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def facts(command: str, peers: str) -> dict[str, str]:
    """Return all facts about a run of ``command``, for the lines below its table."""
    found = {
        "Date": datetime.now(UTC).strftime("%d %B %Y"),
        "Machine": machine(),
        "Versions": versions(),
        "Others": peers,
        "Clients and provider": f"{loop_version()}, on the same machine",
        "Commit": commit(),
        "Command": f"``{command}``",
    }
    return {name: text for name, text in found.items() if text}
