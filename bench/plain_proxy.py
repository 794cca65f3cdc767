"""A minimal proxy of Klein and treq, which does not look at what it passes through."""

from __future__ import annotations

import sys
from typing import Any

import treq
from klein import Klein
from twisted.internet import reactor
from twisted.web.client import HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.server import Site

_loop: Any = reactor
_pool = HTTPConnectionPool(_loop)
_pool.maxPersistentPerHost = 1000
_klein = Klein()


@_klein.route("/", branch=True, methods=["POST"])
async def _pass(request: Any) -> None:
    response = await treq.post(
        sys.argv[2].encode() + request.uri,
        data=request.content.read(),
        headers=Headers({b"Content-Type": [b"application/json"]}),
        pool=_pool,
        unbuffered=True,
    )
    request.setResponseCode(response.code)
    for name in ("Content-Type", "Content-Length"):
        values = response.headers.getRawHeaders(name)
        if values:
            request.responseHeaders.setRawHeaders(name, values)
    await treq.collect(response, request.write)


if __name__ == "__main__":
    site = Site(_klein.resource())
    _loop.listenTCP(int(sys.argv[1]), site, backlog=1024, interface="127.0.0.1")
    _loop.run()
