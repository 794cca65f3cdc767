"""Payloads of requests, for tests."""

from __future__ import annotations

from typing import Any

from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads, ReplayRoute
from antigravity.ledger.payload_rows import PayloadRow, payload_rows
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.redaction.credentials import Credentials

KEY = "sk-client-0123456789abcdef"
#: It has characters that JSON, URLs and HTML encode.
ODD = 'tok/en+with="quotes"&more\\'
TOKEN = "ya29.a0AfB_byC-token.of.an.account"
ADDRESS = "Someone.Private@Example.com"


def make_redactor() -> PayloadRedactor:
    credentials = Credentials()
    credentials.hold(credentials, [KEY, ODD])
    credentials.sent(f"Bearer {TOKEN}")
    return PayloadRedactor(credentials.snapshot(), {ADDRESS: "So***@Example.com"})


def body_of(data: bytes) -> RawBody:
    return RawBody((data,), (), len(data), reserved=len(data))


def payloads_of(request_id: str = "req_1", body: bytes = b"{}", **changes: Any) -> RawPayloads:
    message = RawMessage("from_client", (), body_of(body), "POST", "/v1/x", **changes)
    return RawPayloads(request_id, ReplayRoute("anthropic", "POST", "/v1/x"), [message])


def rows_of(payloads: RawPayloads) -> list[PayloadRow]:
    numbers = iter(range(1, 1000))
    return payload_rows(payloads, make_redactor(), lambda: next(numbers))
