"""The formats of exports: JSON lines, CSV, and HTTP Archive 1.2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from antigravity.interfaces.ledger import AttemptDetail, RequestDetail
from antigravity.interfaces.payloads import PayloadMessage, RequestPayloads
from antigravity.ledger.csv_lines import COLUMNS, csv_line, csv_row
from antigravity.version import VERSION

#: The address of a request whose own is not kept.
_UNKNOWN: Final = "http://gateway.invalid"


class ExportFormat(ABC):
    """One export in one format."""

    def begin(self) -> str:
        """Return what comes before the first request."""
        return ""

    @abstractmethod
    def add(self, found: RequestDetail, payloads: RequestPayloads | None) -> str:
        """Return one more request."""

    def end(self) -> str:
        """Return what comes after the last request."""
        return ""


class JsonLines(ExportFormat):
    """One JSON object in a line for each request."""

    def add(self, found: RequestDetail, payloads: RequestPayloads | None) -> str:
        """Return a line."""
        data: dict[str, Any] = msgspec.to_builtins(found)
        del data["same_id"]  # those are lines of their own
        line = {**data.pop("request"), **data}
        if payloads is not None:
            line["payloads"] = payloads.messages
        return msgspec.json.encode(line).decode() + "\n"


class Csv(ExportFormat):
    """A line for each request, after one with the names of the columns."""

    def begin(self) -> str:
        """Return the names of the columns."""
        return csv_line(COLUMNS)

    def add(self, found: RequestDetail, payloads: RequestPayloads | None) -> str:
        """Return a line."""
        return csv_line(csv_row(found.request))


class Har(ExportFormat):
    """An HTTP Archive: an entry for each request of a client, and for each one to an upstream."""

    def __init__(self) -> None:
        self._is_first = True

    def begin(self) -> str:
        """Return the beginning of the log."""
        creator = msgspec.json.encode({"name": "antigravity", "version": VERSION}).decode()
        return f'{{"log":{{"version":"1.2","creator":{creator},"entries":['

    def add(self, found: RequestDetail, payloads: RequestPayloads | None) -> str:
        """Return the entries of a request."""
        out = ""
        for entry in _entries(found, payloads.messages if payloads is not None else []):
            out += "\n" if self._is_first else ",\n"
            out += msgspec.json.encode(entry).decode()
            self._is_first = False
        return out

    def end(self) -> str:
        """Return the end of the log."""
        return "]}}\n"


FORMATS: Final[Mapping[str, Callable[[], ExportFormat]]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "har": Har,
}


def _entries(found: RequestDetail, messages: Sequence[PayloadMessage]) -> Iterator[dict[str, Any]]:
    request = found.request
    by_direction = {each.direction: each for each in messages}
    first = request.first_byte if request.first_byte is not None else request.duration
    yield {
        "startedDateTime": request.time,
        "time": request.duration * 1000,
        "request": _request(
            by_direction.get("from_client"), f"{_UNKNOWN}/{request.protocol}/{request.operation}"
        ),
        "response": _response(by_direction.get("to_client"), request.status),
        "cache": {},
        "timings": {
            "send": 0,
            "wait": first * 1000,
            "receive": max(0.0, request.duration - first) * 1000,
        },
        "comment": f"{request.id}: client to gateway, {request.outcome}",
        "_antigravity": msgspec.to_builtins(request),
    }
    pairs = [each for each in messages if each.direction in ("to_upstream", "from_upstream")]
    for sent, received in zip(pairs[::2], pairs[1::2], strict=False):
        attempt = None
        if sent.attempt is not None and sent.attempt < len(found.attempts):
            attempt = found.attempts[sent.attempt]
        spent = 0.0
        if attempt is not None:
            spent = max(0.0, (attempt.ended or request.duration) - attempt.started)
        yield {
            "startedDateTime": _time(request.time, attempt),
            "time": spent * 1000,
            "request": _request(sent, _UNKNOWN),
            "response": _response(received, received.status),
            "cache": {},
            "timings": {"send": 0, "wait": spent * 1000, "receive": 0},
            "comment": f"{request.id}: gateway to upstream"
            + ("" if attempt is None else f" {attempt.upstream}"),
            "_antigravity": None if attempt is None else msgspec.to_builtins(attempt),
        }


def _time(began: str, attempt: AttemptDetail | None) -> str:
    """Return when an attempt began."""
    if attempt is None:
        return began
    moment = datetime.fromisoformat(began) + timedelta(seconds=attempt.started)
    return moment.isoformat(timespec="milliseconds")


def _request(message: PayloadMessage | None, url: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "method": "POST",
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [],
        "queryString": [],
        "headersSize": -1,
        "bodySize": -1,
    }
    if message is None:
        return data
    address = message.url if urlsplit(message.url).scheme else f"{_UNKNOWN}{message.url}"
    data |= {
        "method": message.method or "POST",
        "url": address,
        "headers": msgspec.to_builtins(message.headers),
        "queryString": _pairs(parse_qsl(urlsplit(address).query, keep_blank_values=True)),
        "bodySize": message.size,
    }
    if message.body or message.size:
        data["postData"] = {
            "mimeType": _type(message),
            "text": message.body,
            **_comment(message),
        }
    return data


def _response(message: PayloadMessage | None, status: int | None) -> dict[str, Any]:
    content: dict[str, Any] = {"size": 0, "mimeType": "x-unknown"}
    if message is not None:
        content = {
            "size": message.size,
            "mimeType": _type(message),
            "text": message.body,
            **_comment(message),
        }
    code = status or 0
    return {
        "status": code,
        "statusText": HTTPStatus(code).phrase if code in set(HTTPStatus) else "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [] if message is None else msgspec.to_builtins(message.headers),
        "content": content,
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1 if message is None else message.size,
    }


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _type(message: PayloadMessage) -> str:
    types = (each.value for each in message.headers if each.name.lower() == "content-type")
    return next(types, "x-unknown")


def _comment(message: PayloadMessage) -> dict[str, str]:
    """Return what is missing in a body."""
    parts = [f"{message.cut} bytes are missing"] if message.cut else []
    parts += [f"{message.media} files are replaced by their hashes"] if message.media else []
    return {"comment": ", ".join(parts)} if parts else {}
