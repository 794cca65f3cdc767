"""Reads JSON from clients: what is wrong is said the way Anthropic's API says it.

Paths of fields are written ``messages.2.content.0.type`` in messages and
``$.messages[2].content[0].type`` in :attr:`GatewayError.param`; this module knows both.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn, TypeVar

import msgspec

from antigravity.ir.errors import InvalidRequestError

T = TypeVar("T")

_AT: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]+)`$")


def dotted(param: str) -> str:
    """Return ``$.messages[2].role`` as Anthropic writes it: ``messages.2.role``."""
    return re.sub(r"\[([^\]]*)\]", r".\1", param).removeprefix("$").removeprefix(".")


def reject(param: str, problem: str) -> NoReturn:
    """Refuse the field at ``param``.

    :raises InvalidRequestError: always.
    """
    raise InvalidRequestError(f"{dotted(param) or 'request body'}: {problem}", param=param)


def read(raw: msgspec.Raw | bytes, kind: type[T], param: str) -> T:
    """Return the value at ``param``, which must be of ``kind``.

    :raises InvalidRequestError: naming the field inside it that is at fault.
    """
    try:
        value: T = msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        problem = str(error)
        if found := _AT.search(problem):
            problem = problem[: found.start()]
            param += found[1]
        if missing := _MISSING.match(problem):
            problem = "Field required"
            param += f".{missing[1]}"
        reject(param, problem)
    except UnicodeDecodeError:
        reject(param, "Input is not valid UTF-8")
    except RecursionError:
        reject(param, "Input is nested too deeply")
    return value


def read_text(raw: msgspec.Raw, param: str) -> str:
    """Return the JSON text at ``param`` in the client's own spelling.

    :raises InvalidRequestError: if it is not valid UTF-8.
    """
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        reject(param, "Input is not valid UTF-8")


def read_object(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of the JSON object that a body must be.

    :raises InvalidRequestError: if it is none.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except RecursionError:
        raise InvalidRequestError("The request body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The request body is not a JSON object: {error}") from None
