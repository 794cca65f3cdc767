"""A server that releases cloudflared as GitHub does."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API = "/repos/cloudflare/cloudflared/releases"
PROGRAM = b"#!/bin/sh\necho cloudflared version 2026.3.0\n" + b"#" * 200_000


def archive(program: bytes = PROGRAM, name: str = "cloudflared") -> bytes:
    """Return what is released for macOS."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        member = tarfile.TarInfo(name)
        member.size = len(program)
        file.addfile(member, io.BytesIO(program))
    return packed.getvalue()


class Releases:
    """Answers by path; ``asked`` are the paths that were asked for, with the headers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def release(self, file: str, content: bytes, version: str = "2026.3.0", **asset: Any) -> None:
        """Release a file; ``asset`` takes the place of what is true of it."""
        path = f"/files/{version}/{file}"
        told = {
            "name": file,
            "size": len(content),
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "browser_download_url": self.address + path,
            "state": "uploaded",
        }
        other = {**told, "name": "cloudflared-fips-linux-amd64", "digest": None}
        body = json.dumps({"tag_name": version, "assets": [other, {**told, **asset}]}).encode()
        for which in ("latest", f"tags/{version}"):
            self.answers[f"{API}/{which}"] = (200, {}, body)
        self.answers[path] = (302, {"Location": f"/storage/{version}/{file}?sig=1"}, b"")
        self.answers[f"/storage/{version}/{file}?sig=1"] = (200, {}, content)


@contextmanager
def releases() -> Iterator[Releases]:
    """Run the server in a thread while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = found.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Releases(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
