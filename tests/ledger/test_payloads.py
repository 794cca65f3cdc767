"""Payloads: without secrets and files, bounded, and deleted in time."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.interfaces.payloads import (
    NamedValue,
    RawBody,
    ReplayRoute,
)
from antigravity.ledger import payload_text
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import Database
from antigravity.ledger.media_marks import replace_media, replace_parts
from antigravity.ledger.payload_queue import PayloadQueue
from antigravity.ledger.payload_rows import (
    decode_body,
    decode_headers,
    decode_route,
)
from antigravity.ledger.payload_text import HEAD, SPREAD, TAIL, KeptBody, keep
from antigravity.ledger.retention import Retention
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from antigravity.redaction.credentials import LONGEST
from tests.support.payloads import (
    ADDRESS,
    KEY,
    ODD,
    TOKEN,
    body_of,
    make_redactor,
    payloads_of,
    rows_of,
)
from tests.support.records import START, price

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def kept(data: bytes, content_type: str = "application/json") -> KeptBody:
    return keep(body_of(data), content_type, make_redactor())


# -- secrets --


@pytest.mark.parametrize("secret", [KEY, ODD, TOKEN])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text,
        lambda text: json.dumps({"a": text}),
        lambda text: json.dumps({"arguments": json.dumps({"a": text})}),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: f"data: {json.dumps({'error': {'message': f'bad key {text}!'}})}\n\n",
    ],
)
@pytest.mark.parametrize("before", [0, 65_530, HEAD - 10, HEAD + LONGEST - 9, HEAD + TAIL - 5])
def test_credentials_are_removed_wherever_they_are(secret: str, wrap: Any, before: int) -> None:
    wrapped = wrap(secret)
    data = b"x" * before + b" " + wrapped.encode() + b" " + b"y" * 3000
    text = kept(data, "text/plain").text.decode()
    assert secret not in text
    assert wrapped not in text
    for length in range(8, len(secret)):  # no part at a place where the text is cut
        assert not text.endswith(secret[:length])
    assert "y" * 2000 in text


@settings(max_examples=15, deadline=None)
@given(st.integers(0, HEAD + TAIL + 2 * LONGEST), st.integers(0, 3 * LONGEST))
def test_no_part_of_credential_stays_where_body_is_cut(before: int, after: int) -> None:
    filler = b"z" * before + KEY.encode() + b"z" * (HEAD + TAIL + after - before)
    text = kept(filler, "text/plain").text
    assert KEY[:8].encode() not in text
    assert KEY[-8:].encode() not in text


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "x-api-key", "x-goog-api-key", "Cookie", "set-cookie", "X-Auth-Token"),
        *("proxy-authorization", "X-Client-Secret", "api-key", "x-amz-security-token"),
    ],
)
def test_headers_with_secret_names_are_redacted(name: str) -> None:
    ((_, value),) = make_redactor().clean_headers([(name, "abc")])
    assert value == "[redacted]"


def test_other_headers_stay_without_credentials_and_addresses() -> None:
    headers = [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-tokens", "4000"),
        ("x-request", f"for {TOKEN}"),
        ("x-account-email", ADDRESS),
        ("from", "nobody@known.example"),
    ]
    assert make_redactor().clean_headers(headers) == [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-tokens", "4000"),
        ("x-request", "for [redacted]"),
        ("x-account-email", "So***@Example.com"),
        ("from", "no***@known.example"),
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@h.example/v1?a=1", "https://h.example/v1?a=1"),
        ("https://h.example/v1?key=abc&alt=sse", "https://h.example/v1?key=[redacted]&alt=sse"),
        ("https://h.example/v1?access_token=x#f", "https://h.example/v1?access_token=[redacted]"),
        (f"https://h.example/{KEY}/v1", "https://h.example/[redacted]/v1"),
        ("http://[", ""),
    ],
)
def test_addresses_have_no_secrets(url: str, shown: str) -> None:
    assert make_redactor().clean_url(url) == shown


def test_unknown_bearer_tokens_and_keys_in_urls_are_removed() -> None:
    text = b'{"a":"Bearer abcdefgh12345678","b":"https://x.example/?api_key=zzz&c=1"}'
    assert kept(text).text == (
        b'{"a":"Bearer [redacted]","b":"https://x.example/?api_key=[redacted]&c=1"}'
    )


def test_addresses_of_accounts_are_masked() -> None:
    text = kept(json.dumps({"user": ADDRESS.lower(), "x": "other@example.com"}).encode()).text
    assert json.loads(text) == {"user": "So***@Example.com", "x": "other@example.com"}


def test_nothing_shows_payloads() -> None:
    payloads = payloads_of(body=b"very private")
    assert "private" not in repr((payloads, payloads.messages, payloads.messages[0].body))


# -- files --


def encoded(data: bytes = PNG) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "make",
    [
        lambda text: {"image_url": {"url": f"data:image/png;base64,{text}"}},
        lambda text: {"source": {"type": "base64", "media_type": "image/png", "data": text}},
        lambda text: {"inlineData": {"mimeType": "image/png", "data": text}},
        lambda text: {"data": [{"b64_json": text}]},
        lambda text: {"type": "image_generation_call", "result": text},
        lambda text: {"anything": text},
    ],
)
def test_images_are_replaced(make: Any) -> None:
    text, count = replace_media(json.dumps({"x": "é" * 700, **make(encoded())}).encode())
    digest = hashlib.sha256(PNG).hexdigest()
    assert count == 1
    assert f"[image/png, {len(PNG)} bytes, sha256:{digest}]" in json.dumps(json.loads(text))
    assert encoded()[:40].encode() not in text


def test_audio_in_events_is_replaced() -> None:
    samples = b"\x01\x02" * 3000
    event = {"type": "response.output_audio.delta", "delta": encoded(samples)}
    text, count = replace_media(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert count == 1
    assert b"[application/octet-stream, 6000 bytes" in text


@pytest.mark.parametrize(
    "message",
    [
        {"type": "thinking", "signature": encoded()},
        {"type": "redacted_thinking", "data": encoded(b"\x05" * 3000)},
        {"type": "reasoning", "encrypted_content": encoded()},
        {"thoughtSignature": encoded(b"\x05" * 3000)},
        {"text": "a" * 3000},
        {"type": "response.output_text.delta", "delta": "abcd" * 1000},
    ],
)
def test_what_models_need_again_stays(message: dict[str, str]) -> None:
    text = json.dumps(message).encode()
    assert replace_media(text) == (text, 0)


@given(st.binary(max_size=3000), st.binary(max_size=2000))
def test_hash_is_that_of_file(data: bytes, more: bytes) -> None:
    content = b"\x89PNG" + data + more
    url = "data:image/png;base64," + encoded(content)
    text, count = replace_media(json.dumps({"a": url, "b": [url]}).encode())
    if count:
        mark = f"[image/png, {len(content)} bytes, sha256:{hashlib.sha256(content).hexdigest()}]"
        expected = "data:image/png;base64," + mark
        assert json.loads(text) == {"a": expected, "b": [expected]}
    else:
        assert len(encoded(content)) < 1024


@given(st.text(), st.text(alphabet='ab/+=-_\\ "', max_size=3000))
def test_other_text_stays(first: str, second: str) -> None:
    text = json.dumps([first, second]).encode()
    assert replace_media(text) == (text, 0)


def test_file_that_is_cut_has_no_hash() -> None:
    text = b'{"b64_json":"' + encoded(PNG).encode()[:4000]
    replaced, _ = replace_media(text, is_cut=True)
    assert replaced == b'{"b64_json":"[image/png, more than 3000 bytes]'


def test_uploads_are_replaced() -> None:
    body = (
        b'--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
        b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--b0--\r\n"
    )
    text, count = replace_parts(body, "multipart/form-data; boundary=b0")
    assert count == 1
    assert b"whisper" in text
    assert hashlib.sha256(PNG).hexdigest().encode() in text
    assert PNG not in text
    text, count = replace_parts(body, "multipart/form-data")
    assert (text[:26], count) == (b"[application/octet-stream,", 1)


def test_binary_bodies_are_replaced() -> None:
    found = kept(PNG, "")
    assert found.text.startswith(b"[application/octet-stream, ")
    assert found.media == 1
    digest = hashlib.sha256(b"x").hexdigest()
    found = keep(RawBody(size=1, digest=digest), "audio/mpeg", make_redactor())
    assert found.text == f"[audio/mpeg, 1 bytes, sha256:{digest}]".encode()


# -- bounds --


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_body_is_whole_or_says_what_is_missing(first: int, last: int) -> None:
    data = b"a" * (HEAD + LONGEST - 200 + first) + b"b" * (TAIL - 200 + last)
    found = kept(data, "text/plain")
    assert found.size == len(data)
    if found.cut:
        assert len(found.text) + found.cut == len(data)
        assert data.startswith(found.text[: found.head])
        assert data.endswith(found.text[found.head :])
    else:
        assert found.text == data


@pytest.mark.parametrize(
    ("content_type", "dropped"), [("text/plain", LONGEST), ("text/event-stream", SPREAD)]
)
def test_body_that_was_captured_in_parts(content_type: str, dropped: int) -> None:
    head, tail = b"a" * (HEAD + 10), b"b" * (dropped + 7)
    body = RawBody((head,), (tail,), len(head) + len(tail) + 1000)
    found = keep(body, content_type, make_redactor())
    assert found.text == b"a" * HEAD + b"b" * 7
    assert (found.head, found.cut) == (HEAD, 10 + 1000 + dropped)
    long = RawBody((head,), (b"b" * (TAIL + SPREAD),), HEAD + 10 + TAIL + SPREAD + 1000)
    found = keep(long, content_type, make_redactor())
    assert found.text == b"a" * HEAD + b"b" * TAIL
    assert found.cut == long.size - HEAD - TAIL


@pytest.mark.parametrize("place", [HEAD - 5, HEAD + 5, HEAD + LONGEST - 5, HEAD + LONGEST + 5])
@pytest.mark.parametrize("captured", [False, True])
def test_credential_at_place_where_body_is_cut(place: int, captured: bool) -> None:
    data = b"z" * place + KEY.encode() + b"z" * (HEAD - len(KEY))
    data += b"z" * (2 * LONGEST) + KEY.encode() + b"z" * (TAIL - len(KEY) + 7)
    ends = [len(data) - TAIL - 8, len(data) - TAIL - LONGEST - 8]
    for end in ends:
        text = data[:end] + KEY.encode() + data[end + len(KEY) :]
        body = body_of(text)
        if captured:
            middle = len(text) - TAIL - LONGEST
            body = RawBody((text[:middle],), (text[middle:],), len(text) + 1000)
        found = keep(body, "text/plain", make_redactor()).text
        for length in range(6, len(KEY)):
            assert KEY[:length].encode() not in found[: HEAD + 100]
        assert KEY[-8:].encode() not in found
    whole = keep(RawBody((b"a",), (b"b",), 2), "text/plain", make_redactor())
    assert (whole.text, whole.cut) == (b"ab", 0)


def test_dropped_body_is_named() -> None:
    found = keep(RawBody(size=9, is_dropped=True), "", make_redactor())
    assert (found.text, found.size, found.cut, found.is_dropped) == (b"", 9, 9, True)


# -- rows --


def test_row_has_everything() -> None:
    payloads = payloads_of(body=b'{"a": "b"}', attempt=1)
    payloads.messages[0].headers = (("x-a", "1"),)
    (row,) = rows_of(payloads)
    assert decode_body(row.body) == b'{"a": "b"}'
    assert decode_headers(row.headers) == [NamedValue("x-a", "1")]
    assert row.route is not None
    assert decode_route(row.route).protocol == "anthropic"
    assert (row.attempt, row.size, row.cut, row.dropped) == (1, 10, 0, 0)


def test_route_has_no_secrets() -> None:
    payloads = payloads_of()
    payloads.route = ReplayRoute(
        "x", "GET", "/", query=[NamedValue("key", "abc"), NamedValue("alt", "sse")]
    )
    (row,) = rows_of(payloads)
    assert row.route is not None
    assert decode_route(row.route).query == [
        NamedValue("key", "[redacted]"),
        NamedValue("alt", "sse"),
    ]


def test_bodies_of_one_request_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antigravity.ledger.payload_rows._MOST", 100)
    payloads = payloads_of(body=b"a" * 60)
    payloads.messages *= 3
    assert [row.dropped for row in rows_of(payloads)] == [0, 1, 1]


class Store:
    """A database with payloads."""

    def __init__(self, database: Database) -> None:
        self.now = START
        self.database = database
        self.writer = Writer(self.database, lambda: self.now, price)
        self.retention = Retention(self.database, self.writer)
        self.queries = self.database.load_queries("payloads")

    def write(self, *ids: str, body: bytes = b"{}") -> int:
        return self.writer.write_payloads(
            [payloads_of(each, body) for each in ids], make_redactor()
        )

    def ids(self) -> list[str]:
        with self.writer.transaction() as connection:
            sql = "SELECT request FROM payloads ORDER BY number"
            return [row[0] for row in connection.execute(sql).fetchall()]

    def keep(self, **bounds: Any) -> None:
        limits = Bounds(0, 0, **{"payload_max_age": 0, "payload_max_bytes": 0, **bounds})
        for _ in range(100):
            if not self.retention.step(limits, self.now):
                return
        raise AssertionError("retention does not end")


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    store = Store(database)
    yield store
    store.writer.close()


def test_old_payloads_are_deleted(store: Store) -> None:
    store.write("old")
    store.now += 10
    store.write("new")
    store.keep(payload_max_age=5)
    assert store.ids() == ["new"]
    store.keep()
    assert store.ids() == ["new"]


def test_oldest_payloads_are_deleted_if_there_are_too_many_bytes(store: Store) -> None:
    size = store.write("a")
    store.write(*(f"b{number}" for number in range(500)))
    store.keep(payload_max_bytes=int(size * 10.5))
    assert store.ids() == [f"b{number}" for number in range(490, 500)]


def test_payloads_do_not_count_as_rows(store: Store) -> None:
    before = store.write("a")
    with store.writer.transaction() as connection:
        used = store.database.used_bytes(connection)
    noise = b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(20_000))
    stored = store.write("b", body=noise)
    assert stored > 300_000 > before
    with store.writer.transaction() as connection:
        assert abs(store.database.used_bytes(connection) - used) < 20_000


def test_numbers_go_on_after_restart(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ledger.db")
    store = Store(database)
    store.write("a", "b")
    store.writer.close()
    again = Store(database)
    again.now -= 1000  # the clock has gone back
    again.write("c")
    assert again.ids() == ["a", "b", "c"]


# -- the queue --


def test_queue_drops_oldest_that_wait() -> None:
    ready: list[None] = []
    queue = PayloadQueue(lambda: ready.append(None), limit=100)
    for name in "abc":
        assert queue.reserve(40)
        queue.put(payloads_of(name, b"x" * 40))
    assert (len(ready), queue.lost, len(queue)) == (3, 1, 2)
    taken = queue.take()
    assert [each.request_id for each in taken] == ["b", "c"]
    queue.put_back(taken)
    assert [each.request_id for each in queue.take()] == ["b", "c"]
    queue.written(taken)
    assert queue.reserve(100)


def test_queue_of_nothing_keeps_running_requests() -> None:
    queue = PayloadQueue(lambda: None, limit=100)
    assert queue.reserve(80)  # a running request
    assert not queue.reserve(80)
    assert queue.lost == 1
    queue.release(80)
    assert queue.reserve(80)
    queue.clear()


def test_batches_are_bounded() -> None:
    queue = PayloadQueue(lambda: None)
    for number in range(50):
        queue.put(payloads_of(str(number)))
    assert len(queue.take()) == 20


def test_limits_fit_what_is_captured() -> None:
    from antigravity.exchange.capture.body import HEAD_LIMIT, TAIL_LIMIT

    assert HEAD_LIMIT > payload_text.HEAD + LONGEST
    assert TAIL_LIMIT <= payload_text.TAIL + SPREAD
