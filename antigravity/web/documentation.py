"""The built pages of the documentation, which wheels carry: ``/docs/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.deferreds import call_in_thread
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import NotFoundError
from antigravity.version import DOCUMENTATION
from antigravity.web.responses import is_closed, write_whole

Handler = Callable[..., Deferred[None] | None]

DOCS_PATH: Final = "/docs"
_MISSING: Final = (
    "This installation has no built documentation: run make docs in a checkout, or install a wheel "
    "that make wheel has built."
)
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
#: The pages have small scripts and styles of their own, and load nothing from elsewhere.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (("Cache-Control", "no-cache"), ("Content-Security-Policy", _POLICY))


class DocumentationPaths:
    """The handlers of the documentation.

    :param folder: the built pages; nothing outside of it is served.
    """

    def __init__(self, folder: Path = DOCUMENTATION) -> None:
        self._folder = folder
        self._files: dict[str, Path] | None = None

    def paths(self) -> Iterator[tuple[str, tuple[tuple[str, ...], Handler]]]:
        """Yield every path with its methods and handler."""
        methods = ("GET", "HEAD")
        yield DOCS_PATH, (methods, self._redirect)
        yield f"{DOCS_PATH}/", (methods, self._serve)
        yield f"{DOCS_PATH}/<path:name>", (methods, self._serve)

    def _redirect(self, request: Any) -> None:
        """Lead to the first page: its links are relative to the folder."""
        headers = (("Location", f"{DOCS_PATH}/"),)
        write_whole(request, Reply(308, "text/plain; charset=utf-8", headers, b""))

    def _serve(self, request: Any, name: str = "index.html") -> Deferred[None]:
        read = call_in_thread(request.channel.site.reactor, self._read, name)
        return read.addCallback(self._write, request, name)

    def _read(self, name: str) -> bytes | None:
        """Return a file, ``None`` for another name."""
        if self._files is None:
            self._files = {
                path.relative_to(self._folder).as_posix(): path
                for path in self._folder.rglob("*")
                if path.suffix in _KINDS and path.is_file() and not path.is_symlink()
            }
        path = self._files.get(name)
        return path.read_bytes() if path is not None else None

    def _write(self, content: bytes | None, request: Any, name: str) -> None:
        if is_closed(request):
            return
        if content is None:
            is_built = bool(self._files)
            raise NotFoundError(
                "There is no such page." if is_built else _MISSING, code="page_not_found"
            )
        kind = _KINDS[Path(name).suffix]
        write_whole(request, Reply(200, kind, _HEADERS, content))
