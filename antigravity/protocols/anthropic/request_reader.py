"""Decodes JSON from clients, with errors in the style of Anthropic's API.

Paths of fields are written ``messages.2.content.0.type`` in error messages and
``$.messages[2].content[0].type`` in :attr:`GatewayError.param`.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn, TypeVar

import msgspec

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.mismatch import find_mismatch

T = TypeVar("T")

_NOT_UTF8: Final = "Input is not valid UTF-8"
_TOO_DEEP: Final = "Input is nested too deeply"


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
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _explain(raw, kind, param)
    except RecursionError:
        reject(param, _TOO_DEEP)


def _explain(raw: msgspec.Raw | bytes, kind: type, param: str) -> NoReturn:
    """Refuse what could not be decoded as ``kind``.

    :raises InvalidRequestError: always, naming the field at fault.
    """
    try:
        value = msgspec.json.decode(bytes(raw).decode())
    except UnicodeDecodeError:
        reject(param, _NOT_UTF8)
    except msgspec.DecodeError as error:
        reject(param, f"Input is not valid JSON: {error}")
    except RecursionError:
        reject(param, _TOO_DEEP)
    found = find_mismatch(value, kind)
    problem = found.problem[:1].upper() + found.problem[1:]
    reject(found.at(param), "Field required" if found.is_missing else problem)


def read_text(raw: msgspec.Raw, param: str) -> str:
    """Return the JSON text at ``param`` unchanged.

    :raises InvalidRequestError: if it is not valid UTF-8.
    """
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        reject(param, _NOT_UTF8)
