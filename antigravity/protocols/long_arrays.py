"""JSON with a very long array, encoded one item at a time.

Encoding millions of numbers at once would block all other threads for half a second.
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
