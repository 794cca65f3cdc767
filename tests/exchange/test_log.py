"""Log lines about requests, whatever the request holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock

from antigravity.exchange.log import log_exchange
from antigravity.exchange.model_name import MAX_LENGTH, check_model_name
from antigravity.exchange.recorder import Recorder
from antigravity.interfaces.traces import TraceSource
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.record import ExchangeRecord
from antigravity.ir.usage import Usage


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\0", "a\u202eb", "m" * (MAX_LENGTH + 1)])
def test_model_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_model_name(name)
    assert refused.value.param == "model"
    assert len(refused.value.message) < 200


def test_usual_model_names_are_accepted() -> None:
    for name in ("accounts/x/models/y:latest@20260101", "模型-1 (beta)", "m" * MAX_LENGTH):
        check_model_name(name)


def test_error_message_has_no_control_characters() -> None:
    error = UpstreamError("two\nlines\t\x1b]0;title\x07 and \x9b31mred\u202e.")
    assert error.message == str(error) == "two\nlines\t]0;title and 31mred."


def test_long_error_is_cut(logged: list[str]) -> None:
    record = ExchangeRecord(
        id="r",
        protocol="p",
        operation="generate",
        model="m",
        started=0.0,
        principal="",
        attempts=[],
    )
    record.outcome, record.error = "error", "UpstreamError: " + "x" * 1_000_000
    log_exchange(record)
    assert any(2000 < len(line) < 2300 for line in logged)


@pytest.mark.parametrize("taken", [True, False, None])
def test_record_is_logged_alone_unless_the_request_takes_it(
    taken: bool | None, logged: list[str]
) -> None:
    records: list[ExchangeRecord] = []

    def take(record: ExchangeRecord) -> bool:
        records.append(record)
        return bool(taken)

    call = Call(Route("POST", "/x", "generate"), {}, {}, {}, b"", request_id="req_1")
    if taken is not None:
        call = replace(call, take_record=take)
    finished: list[ExchangeRecord] = []
    services: Any = SimpleNamespace(
        clock=Clock(), finished=finished.append, traces=TraceSource(), running={}
    )
    recorder = Recorder(services, "openai_chat", call)
    recorder.end(None, Usage(input_total=1, output=2))
    recorder.end(None, None)
    lines = [line for line in logged if "req_1" in line]
    ended = "0.000 s req_1: openai_chat: ok, 1 + 2 tokens"
    assert lines == ([] if taken else [ended])
    assert finished == [recorder.record]
    assert records == ([] if taken is None else finished)
