"""Fetches the media that a request refers to, within limits."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from typing import Final

from antigravity.exchange.fanout.parallel import run_parallel
from antigravity.interfaces.transport import FetchedFile, IMediaFetcher
from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError

#: Files of one request, and how many of them are fetched at the same time.
MAX_FILES: Final = 100
PARALLEL: Final = 8


async def fetch_all(
    fetcher: IMediaFetcher, urls: Sequence[str], most_bytes: int
) -> dict[str, tuple[str, str]]:
    """Return MIME type and base64 text of what is at each address.

    All together may have ``most_bytes``, as many as a request that brings them; 0 is no limit.

    :raises InvalidRequestError: if something cannot or must not be fetched.
    :raises RequestTooLargeError: if it is too much.
    """
    if len(urls) > MAX_FILES:
        raise InvalidRequestError(
            f"The request points to {len(urls)} files that the gateway has to fetch, and it "
            f"fetches up to {MAX_FILES} for one request; send the data inline."
        )
    found: dict[str, tuple[str, str]] = {}
    size = 0

    async def fetch(url: str) -> None:
        nonlocal size
        file: FetchedFile = await fetcher.fetch(url)
        size += len(file.data)
        if most_bytes and size > most_bytes:
            raise RequestTooLargeError(
                f"The files that the request points to are larger than {most_bytes} bytes "
                "together. The limit is max_body_bytes in the [proxy] table of the gateway's "
                "configuration."
            )
        found[url] = file.mime_type, base64.b64encode(file.data).decode()

    await run_parallel([partial(fetch, url) for url in urls], PARALLEL)
    return found
