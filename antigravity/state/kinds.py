"""Finds the kind of backend for an address, and checks what it builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.interfaces.state import IState


def find_kind(url: str, kinds: Mapping[str, Any]) -> Any:
    """Return the kind of backend for an address.

    :raises ValueError: if there is none; the message does not quote the address.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in kinds:
        raise ValueError(f"it begins with none of: {', '.join(f'{each}:' for each in kinds)}")
    return kinds[scheme]


def check_backend(backend: object) -> None:
    """Check that a backend provides what the gateway needs.

    :raises ValueError: if it does not.
    """
    try:
        verifyObject(IState, backend)
    except Invalid as error:
        raise ValueError(f"its backend does not provide IState: {error}") from None
