"""The headers of a request as bytes."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=512)
def _encode_name(name: str) -> bytes:
    return name.lower().encode("ascii")


def encode_headers(
    pairs: tuple[tuple[str, str], ...], host: bytes, authorization: str
) -> list[tuple[bytes, bytes]]:
    """Return ``pairs`` with names in lower case, and with ``Host``, which an agent would add.

    :param authorization: the credential for a proxy, empty for none.
    :raises ValueError: if a name is not ASCII.
    """
    encoded = [(_encode_name(name), value.encode()) for name, value in pairs]
    if authorization:
        encoded.append((b"proxy-authorization", authorization.encode()))
    if not any(name == b"host" for name, _ in encoded):
        encoded.insert(0, (b"host", host))
    return encoded
