"""Where a gateway keeps its log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LOG_NAME: Final = "antigravity.log"


def log_directory(home: Path) -> Path:
    """Return the directory of the log files in a home."""
    return home / "logs"


def log_paths(home: Path) -> list[Path]:
    """Return the log files that exist, the newest first."""
    directory = log_directory(home)
    old = [
        (int(path.suffix[1:]), path)
        for path in directory.glob(f"{LOG_NAME}.*")
        if path.suffix[1:].isdecimal()
    ]
    newest = directory / LOG_NAME
    return [newest] * newest.exists() + [path for _, path in sorted(old)]
