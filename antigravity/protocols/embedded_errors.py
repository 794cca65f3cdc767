"""Finds errors in responses whose status is a success.

Some gateways, proxies and providers respond with 200 and an error in the body or in the first
event of a stream, each in its own format.  Such a body is converted to the error body that all
protocols read, with the status that it should have had.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import GatewayError
from antigravity.protocols.limit import read_limit

#: Longer bodies are not errors.
LARGEST: Final = 64 * 1024

#: Members that, unless empty, only successful responses have.
_CONTENT: Final = (
    "choices", "candidates", "content", "output", "data", "text", "predictions", "response",
    "delta", "content_block", "item", "part", "usageMetadata", "promptFeedback", "embedding",
    "embeddings", "input_tokens", "totalTokens", "b64_json", "images", "segments", "usage",
)  # fmt: skip
#: The beginnings of values with content.
_FILLED: Final = (b"[{", b'{"', b'["')
#: Members that may be errors besides content.
_ERRORS: Final = ("error", "errors", "base_resp")
_MESSAGES: Final = (
    "message", "msg", "detail", "details", "error_description", "error_msg", "error_message",
    "errorMessage", "errorMsg", "errmsg", "errMsg", "status_msg", "description", "reason", "title",
)  # fmt: skip
_CODES: Final = (
    "code", "error_code", "errorCode", "errcode", "errCode", "err_code", "status_code",
    "statusCode", "http_status", "http_code", "httpCode", "status", "ret_code",
)  # fmt: skip
_NO_ERROR: Final = frozenset(("", "0", "200", "201", "ok", "success", "succeeded", "none", "null"))

#: The statuses of codes and types of errors, in lower case without separators.
_STATUSES: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("invalidapikey", "apikeyinvalid", "authenticationerror", "unauthenticated",
         "unauthorized", "invalidauthentication", "invalidauthenticationerror", "authfailed",
         "incorrectapikeyerror", "accesstokenexpired"), 401),
    **dict.fromkeys(
        ("billingerror", "insufficientbalance", "paymentrequired", "arrearage",
         "insufficientcredits", "accountoverdue"), 402),
    **dict.fromkeys(
        ("permissionerror", "permissiondenied", "forbidden", "accessdenied",
         "permissiondeniederror"), 403),
    **dict.fromkeys(("notfounderror", "modelnotfound", "notfound", "modelnotfounderror"), 404),
    **dict.fromkeys(("timeout", "timeouterror", "deadlineexceeded"), 504),
    **dict.fromkeys(("requesttoolarge",), 413),
    **dict.fromkeys(
        ("ratelimiterror", "ratelimitexceeded", "ratelimitreachederror", "resourceexhausted",
         "toomanyrequests", "ratelimitreached", "ratelimit", "throttling", "insufficientquota",
         "quotaexceeded", "quotaexhausted", "exceededcurrentquotaerror", "usagelimitreached",
         "requestlimitexceeded", "limitrequests", "billinghardlimitreached"), 429),
    "overloadederror": 529,
    **dict.fromkeys(
        ("overloaded", "unavailable", "engineoverloaded",
         "engineoverloadederror", "serviceunavailable", "serviceunavailableerror",
         "serveroverloaded", "serverisoverloaded", "modeloverloaded", "slowdown"), 503),
    **dict.fromkeys(
        ("invalidrequesterror", "invalidrequest", "invalidargument", "invalidparameter",
         "badrequest", "badrequesterror", "contextlengthexceeded", "validationerror",
         "datainspectionfailed", "failedprecondition", "outofrange", "unprocessableentity",
         "invalidprompt", "requestvalidationerror", "valueerror"), 400),
    **dict.fromkeys(
        ("apierror", "servererror", "internalerror", "internal", "internalservererror",
         "unknown", "upstreamerror"), 500),
}  # fmt: skip
#: Codes that are not HTTP statuses: those of z.ai, and of MiniMax (in ``base_resp``).
_NUMBERS: Final[Mapping[int, int]] = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004, 1110, 1111, 1112), 401),
    1113: 402,
    1121: 403,
    **dict.fromkeys((1210, 1212, 1213, 1214, 1215, 1261, 1301), 400),
    1211: 404,
    **dict.fromkeys((1220, 1221, 1222), 403),
    **dict.fromkeys((1302, 1303, 1304, 1305, 1308, 1309, 1310, 1313), 429),
    1312: 503,
}
_BASE_NUMBERS: Final[Mapping[int, int]] = {
    1001: 504, 1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 1039: 400, 1041: 429,
    2013: 400, 2049: 401, 2056: 429,
}  # fmt: skip
#: Patterns of phrases and their statuses, for bodies with only a message; the first match counts.
#: They are compiled when there is such an error.
_PHRASES: Final = (
    (r"rate.?limit|too many requests|throttl|requests per (?:minute|second|day)", 429),
    (r"insufficient (?:balance|credits?|funds)|balance.{0,20}(?:not enough|too low)", 402),
    (r"\bquota\b|usage limit", 429),
    (r"(?:invalid|incorrect|wrong|missing|expired).{0,20}(?:api.?key|token|credential)", 401),
    (r"unauthori[sz]ed|not authenticated|authentication (?:failed|required)", 401),
    (r"forbidden|permission denied|access denied", 403),
    (r"context (?:length|window)|maximum.{0,20}tokens|prompt is too long", 400),
    (r"method not allowed", 405),
    (r"not[ _]found|does not exist|no such model", 404),
    (r"overloaded|at capacity|unavailable|try again later|\bbusy\b", 503),
    (r"timed? ?out", 504),
    (r"field required|validation error|invalid (?:request|parameter|argument)", 400),
)
_SEPARATORS: Final = re.compile(r"[^a-z0-9]")

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode

#: Decodes an error body; see ``IClientProtocol.decode_error``.
DecodeError = Callable[[int, Mapping[str, str], bytes], GatewayError]


class _Embedded(Struct, frozen=True):
    """An error in a body; ``numbers`` are its numeric codes, ``names`` the others.

    ``fields`` are its raw members: some of them say when to retry.
    """

    message: str
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    fields: Mapping[str, Any] = {}
    of_base: bool = False


def error_in(data: bytes, decode_error: DecodeError) -> GatewayError | None:
    """Return the error in a body, or in the data of an event; ``None`` if there is none.

    ``decode_error`` is the protocol's own.
    """
    if len(data) > LARGEST or _has_content(data):
        return None
    embedded = _find(data)
    if embedded is None:
        return None
    status = _status(embedded)
    fields: dict[str, Any] = {**embedded.fields, "message": embedded.message}
    if embedded.names:
        fields["type"] = embedded.names[0]
        names = [name for name in embedded.names if name.isupper()]
        fields |= {"status": names[0]} if names else {}
    elif not isinstance(fields.get("type"), str):
        fields.pop("type", None)
    if not fields.get("code") and embedded.names:
        fields["code"] = embedded.names[0]
    fields.pop("error", None)
    return decode_error(status, {}, msgspec.json.encode({"error": fields}))


def error_in_event(name: str, data: bytes, decode_error: DecodeError) -> GatewayError | None:
    """Return the error in an event; any event named ``error`` is one."""
    error = error_in(data, decode_error)
    if error is None and name == "error":
        message = data[:LARGEST].decode("utf-8", "replace").strip()
        parsed = _Embedded("" if message.startswith(("{", "[", "<")) else message)
        body = msgspec.json.encode({"error": {"message": parsed.message}})
        error = decode_error(_status(parsed), {}, body)
    return error


def _has_content(data: bytes) -> bool:
    """Return whether a body has content and no member that could be an error; that is usual."""
    try:
        members = _MEMBERS(data)
    except (ValueError, RecursionError):
        return False
    if _is_interaction(members):
        return True
    for name in _ERRORS:
        if name in members and bytes(members[name]) != b"null":
            return False
    for name in _CONTENT:
        if name in members and bytes(memoryview(members[name])[:2]) in _FILLED:
            return True
    return False


def _is_interaction(members: Mapping[str, Raw]) -> bool:
    """Return whether a body is an interaction, which lists its errors beside its steps."""
    return "status" in members and (
        "steps" in members or bytes(members.get("object", b"")) == b'"interaction"'
    )


def _find(data: bytes) -> _Embedded | None:
    try:
        wire = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    if isinstance(wire, list) and len(wire) == 1:
        wire = wire[0]
    if not isinstance(wire, dict):
        return None
    return _by_error(wire) or _by_base(wire) or _by_shape(wire)


def _by_error(wire: dict[str, Any]) -> _Embedded | None:
    """Return the error in the member ``error``, or the first of ``errors``, if there is one."""
    errors = wire.get("errors")
    error = wire.get("error") or (errors[0] if isinstance(errors, list) and errors else errors)
    if isinstance(error, str):
        return _read({**wire, "message": wire.get("message") or error}, error)
    if isinstance(error, dict):
        if isinstance(error.get("error"), dict):
            error = error["error"]
        outer = {"code": wire["code"]} if "code" in wire and "code" not in error else {}
        embedded = _read({**outer, **error})
        return embedded if embedded.message or embedded.names or embedded.numbers else None
    return _read(wire) if error is True else None


def _by_base(wire: dict[str, Any]) -> _Embedded | None:
    base = wire.get("base_resp")
    if not isinstance(base, dict) or not isinstance(base.get("status_code"), int):
        return None
    if base["status_code"] == 0 or wire.get("choices"):
        return None
    return msgspec.structs.replace(_read(base), of_base=True)


def _by_shape(wire: dict[str, Any]) -> _Embedded | None:
    """Return the error in an object without content, if its other members show one."""
    if any(wire.get(name) for name in _CONTENT):
        return None
    marked = wire.get("type") == "error" or wire.get("object") == "error"
    marked = marked or wire.get("success") is False or wire.get("status") in ("error", "failed")
    embedded = _read(wire)
    if marked or _is_bad(embedded):
        return embedded
    typed = isinstance(wire.get("type"), str) or isinstance(wire.get("object"), str)
    known = embedded.numbers or embedded.names or _reports_success(wire)
    return embedded if embedded.message and not typed and not known and "id" not in wire else None


def _reports_success(wire: Mapping[str, Any]) -> bool:
    codes = (wire.get(name) for name in _CODES)
    return any(code is not None and str(code).lower() in _NO_ERROR for code in codes)


def _is_bad(embedded: _Embedded) -> bool:
    """Return whether there is a message with the code of an error."""
    return bool(embedded.message and (embedded.numbers or embedded.names))


def _read(fields: Mapping[str, Any], name: str = "") -> _Embedded:
    """Return the error in its members."""
    codes = [fields.get(name) for name in _CODES]
    kind = fields.get("type")
    names = [name] if re.fullmatch(r"[\w.-]{3,60}", name) else []
    numbers: list[int] = []
    for code in [*codes, kind if kind != "error" else None]:
        text = str(code).strip() if isinstance(code, str | int) else ""
        if isinstance(code, bool) or text.lower() in _NO_ERROR or text == "error":
            continue
        if re.fullmatch(r"-?\d{1,9}", text):
            numbers.append(int(text))
        else:
            names.append(text)
    return _Embedded(_message(fields), tuple(names), tuple(numbers), fields)


def _message(fields: Mapping[str, Any]) -> str:
    for name in _MESSAGES:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list | dict) and value:
            if isinstance(value, dict) and (inner := _message(value)):
                return inner
            return msgspec.json.encode(value).decode()
    return ""


def _status(embedded: _Embedded) -> int:
    """Return the status that an error should have had."""
    if isinstance(embedded.fields.get("detail"), list):
        return 422  # FastAPI's list of invalid fields
    table = _BASE_NUMBERS if embedded.of_base else _NUMBERS
    names = [_SEPARATORS.sub("", name.lower()) for name in embedded.names]
    named = [_STATUSES[name] for name in names if name in _STATUSES]
    named += [_STATUSES[head] for name in embedded.names if (head := _head(name)) in _STATUSES]
    numbers = [n for n in embedded.numbers if 400 <= n < 600]
    numbers += [table[n] for n in embedded.numbers if n in table]
    numbers += [n // 100 for n in embedded.numbers if 40_000 <= n < 60_000]
    if numbers and numbers[0] not in (400, 500):
        return numbers[0]
    statuses = [*named, *numbers]
    if statuses and statuses[0] != 500:
        return statuses[0]
    if read_limit(
        None, {}, {"error": embedded.fields} if embedded.fields else embedded.message
    ).kind:
        return 429
    found = (s for pattern, s in _PHRASES if re.search(pattern, embedded.message, re.IGNORECASE))
    return next(found, 500)


def _head(name: str) -> str:
    """Return a name up to its first dot, as in ``Throttling.RateQuota``."""
    return _SEPARATORS.sub("", name.partition(".")[0].lower())
