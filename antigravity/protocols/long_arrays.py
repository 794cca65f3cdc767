"""JSON with a very long array, written one item at a time.

To encode millions of numbers at once takes half a second in which no other thread goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import msgspec


def encode_with_array(members: Mapping[str, Any], name: str, items: Iterable[Any]) -> bytes:
    """Return the JSON object of ``members``, with an array of ``items`` as ``name`` behind them."""
    encode = msgspec.json.encode
    out = BytesIO()
    write = out.write
    write(encode(members)[:-1])
    write(b",%b:[" % encode(name) if members else b"%b:[" % encode(name))
    separator = b""
    for item in items:
        write(separator)
        write(encode(item))
        separator = b","
    write(b"]}")
    return out.getvalue()
