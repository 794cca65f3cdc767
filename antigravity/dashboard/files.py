"""Style sheet, scripts and icon of the dashboard, with addresses that change with the content."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import Struct

from antigravity.web.authentication import DASHBOARD_PATH

_FOLDER: Final = Path(__file__).parent / "static"
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class StaticFile(Struct, frozen=True):
    """One file; ``digest`` is the beginning of its SHA-256."""

    content: bytes
    kind: str
    digest: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Return all files by their names."""
    found = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _KINDS:
            content = path.read_bytes()
            digest = sha256(content).hexdigest()[:16]
            found[path.name] = StaticFile(content, _KINDS[path.suffix], digest)
    return found


def address_of(name: str) -> str:
    """Return the address of a file."""
    return f"{DASHBOARD_PATH}/static/{static_files()[name].digest}/{name}"
