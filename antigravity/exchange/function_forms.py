"""Functions in the place of tools that the client runs and that other protocols do not have."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.interfaces.server_traits import FunctionForms
from antigravity.ir.request import Request


def to_functions(
    request: Request, protocol: str, as_functions: Callable[[Request], FunctionForms | None] | None
) -> FunctionForms:
    """Return the request with functions for such tools, if it goes to another ``protocol``.

    :param as_functions: the ``as_functions`` of the client's protocol.
    :raises InvalidRequestError: if a tool in the history is not valid.
    """
    if as_functions is None or request.protocol == protocol:
        return FunctionForms(request)
    return as_functions(request) or FunctionForms(request)
