"""The time zone of this machine."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path


def zone_name() -> str:
    """Return the name of the system's time zone; of one with the same offset if it has no name."""
    name = os.environ.get("TZ", "")
    if name and not name.startswith(":"):
        return name
    local = Path("/etc/localtime")
    parts = str(local.resolve()).partition("zoneinfo/")
    if parts[1]:
        return parts[2]
    offset = datetime.now().astimezone().utcoffset()
    hours = round(offset.total_seconds() / 3600) if offset else 0
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"
