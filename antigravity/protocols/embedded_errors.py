"""Errors in answers whose status says success.

Gateways, proxies and providers answer 200 and put what went wrong into the body, or into the first
event of a stream, each in a shape of its own.  Here such a body is told from an answer, and
becomes the error body that all protocols read, with the status that it should have had.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.errors import GatewayError
from antigravity.protocols.rate_limits import read_limit

#: Longer bodies are answers.
LARGEST: Final = 64 * 1024

#: Members that only an answer has (if they hold anything).
_CONTENT: Final = (
    "choices", "candidates", "content", "output", "data", "text", "predictions", "response",
    "delta", "content_block", "item", "part", "usageMetadata", "promptFeedback", "embedding",
    "embeddings", "input_tokens", "totalTokens", "b64_json", "images", "segments", "usage",
)  # fmt: skip
_MESSAGES: Final = (
    "message", "msg", "detail", "details", "error_description", "error_msg", "error_message",
    "errorMessage", "errorMsg", "errmsg", "errMsg", "status_msg", "description", "reason", "title",
)  # fmt: skip
_CODES: Final = (
    "code", "error_code", "errorCode", "errcode", "errCode", "err_code", "status_code",
    "statusCode", "http_status", "http_code", "httpCode", "status", "ret_code",
)  # fmt: skip
_NO_ERROR: Final = frozenset(("", "0", "200", "201", "ok", "success", "succeeded", "none", "null"))

#: What codes, types and names of statuses mean, in lower case without separators.
_WORDS: Final[Mapping[str, int]] = {
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
    **dict.fromkeys(
        ("overloadederror", "overloaded", "unavailable", "engineoverloaded",
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
#: Numbers that are no HTTP statuses: those of z.ai, and of MiniMax (whose stand in ``base_resp``).
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
#: What messages say, for bodies with nothing but a message; the first that matches counts.
_PHRASES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), status)
    for pattern, status in (
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
)
_SEPARATORS: Final = re.compile(r"[^a-z0-9]")

#: Reads an error body; see ``IClientSide.decode_error``.
DecodeError = Callable[[int, Mapping[str, str], bytes], GatewayError]


class _Embedded(Struct, frozen=True):
    """An error as its body tells it; ``numbers`` are its codes, ``words`` its names.

    ``fields`` are its members as they came: some of them say when a retry makes sense.
    """

    message: str
    words: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    fields: Mapping[str, Any] = {}
    of_base: bool = False


def error_in(data: bytes, decode_error: DecodeError) -> GatewayError | None:
    """Return the error that a body, or the data of an event, tells; ``None`` if it is none.

    ``decode_error`` is the protocol's own.
    """
    if len(data) > LARGEST:
        return None
    found = _find(data)
    if found is None:
        return None
    status = _status(found)
    fields: dict[str, Any] = {**found.fields, "message": found.message}
    if found.words:
        fields["type"] = found.words[0]
        names = [word for word in found.words if word.isupper()]
        fields |= {"status": names[0]} if names else {}
    elif not isinstance(fields.get("type"), str):
        fields.pop("type", None)
    if not fields.get("code") and found.words:
        fields["code"] = found.words[0]
    fields.pop("error", None)
    return decode_error(status, {}, msgspec.json.encode({"error": fields}))


def error_in_event(name: str, data: bytes, decode_error: DecodeError) -> GatewayError | None:
    """Return the error in an event; one that is named ``error`` is one, whatever it holds."""
    found = error_in(data, decode_error)
    if found is None and name == "error":
        message = data[:LARGEST].decode("utf-8", "replace").strip()
        said = _Embedded("" if message.startswith(("{", "[", "<")) else message)
        body = msgspec.json.encode({"error": {"message": said.message}})
        found = decode_error(_status(said), {}, body)
    return found


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
    """Return what the member ``error`` (or the first of ``errors``) says, if there is one."""
    errors = wire.get("errors")
    error = wire.get("error") or (errors[0] if isinstance(errors, list) and errors else errors)
    if isinstance(error, str):
        return _read({**wire, "message": wire.get("message") or error}, error)
    if isinstance(error, dict):
        if isinstance(error.get("error"), dict):
            error = error["error"]
        outer = {"code": wire["code"]} if "code" in wire and "code" not in error else {}
        found = _read({**outer, **error})
        return found if found.message or found.words or found.numbers else None
    return _read(wire) if error is True else None


def _by_base(wire: dict[str, Any]) -> _Embedded | None:
    base = wire.get("base_resp")
    if not isinstance(base, dict) or not isinstance(base.get("status_code"), int):
        return None
    if base["status_code"] == 0 or wire.get("choices"):
        return None
    return msgspec.structs.replace(_read(base), of_base=True)


def _by_shape(wire: dict[str, Any]) -> _Embedded | None:
    """Return what an object without content says, if it is an error by its other members."""
    if any(wire.get(name) for name in _CONTENT):
        return None
    marked = wire.get("type") == "error" or wire.get("object") == "error"
    marked = marked or wire.get("success") is False or wire.get("status") in ("error", "failed")
    found = _read(wire)
    if marked or _is_bad(found):
        return found
    typed = isinstance(wire.get("type"), str) or isinstance(wire.get("object"), str)
    known = found.numbers or found.words or _says_it_went_well(wire)
    return found if found.message and not typed and not known and "id" not in wire else None


def _says_it_went_well(wire: Mapping[str, Any]) -> bool:
    codes = (wire.get(name) for name in _CODES)
    return any(code is not None and str(code).lower() in _NO_ERROR for code in codes)


def _is_bad(found: _Embedded) -> bool:
    """Return whether the codes of a message are those of an error."""
    return bool(found.message and (found.numbers or found.words))


def _read(fields: Mapping[str, Any], word: str = "") -> _Embedded:
    """Return what the members of an error say."""
    codes = [fields.get(name) for name in _CODES]
    kind = fields.get("type")
    words = [word] if re.fullmatch(r"[\w.-]{3,60}", word) else []
    numbers: list[int] = []
    for code in [*codes, kind if kind != "error" else None]:
        text = str(code).strip() if isinstance(code, str | int) else ""
        if isinstance(code, bool) or text.lower() in _NO_ERROR or text == "error":
            continue
        if re.fullmatch(r"-?\d{1,9}", text):
            numbers.append(int(text))
        else:
            words.append(text)
    return _Embedded(_message(fields), tuple(words), tuple(numbers), fields)


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


def _status(found: _Embedded) -> int:
    """Return the status that an error should have had."""
    if isinstance(found.fields.get("detail"), list):
        return 422  # FastAPI lists what is wrong with a request
    table = _BASE_NUMBERS if found.of_base else _NUMBERS
    words = [_SEPARATORS.sub("", word.lower()) for word in found.words]
    named = [_WORDS[word] for word in words if word in _WORDS]
    named += [_WORDS[head] for word in found.words if (head := _head(word)) in _WORDS]
    numbers = [n for n in found.numbers if 400 <= n < 600]
    numbers += [table[n] for n in found.numbers if n in table]
    numbers += [n // 100 for n in found.numbers if 40_000 <= n < 60_000]
    if numbers and numbers[0] not in (400, 500):
        return numbers[0]
    said = [*named, *numbers]
    if said and said[0] != 500:
        return said[0]
    if read_limit(None, {}, {"error": found.fields} if found.fields else found.message).kind:
        return 429
    return next((s for pattern, s in _PHRASES if pattern.search(found.message)), 500)


def _head(word: str) -> str:
    """Return the first of the words that dots part: ``Throttling.RateQuota``."""
    return _SEPARATORS.sub("", word.partition(".")[0].lower())
