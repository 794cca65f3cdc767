"""Log lines about requests, whatever the request holds."""

from __future__ import annotations

import pytest

from antigravity.exchange.log import log_exchange
from antigravity.exchange.model_name import MAX_LENGTH, check_model_name
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.record import ExchangeRecord


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
