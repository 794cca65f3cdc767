"""What requests did is added up, with few labels and none that a client can choose."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from antigravity.ir.record import AttemptRecord, RequestTimes
from antigravity.ir.usage import Usage
from antigravity.metrics import requests as module
from antigravity.metrics.exposition import render
from antigravity.metrics.requests import DURATIONS, Histogram, RequestMetrics
from tests.metrics.gateway_state import STATE
from tests.support.records import make_record

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(metrics: RequestMetrics, *, old_names: bool = False) -> Samples:
    kind, page = render(metrics, STATE, old_names=old_names)
    assert kind.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    """Return the value of the only sample with these labels."""
    (one,) = [
        number
        for (each, having), number in found.items()
        if each == name and labels.items() <= dict(having).items()
    ]
    return one


def test_requests_are_added_up() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1, times=RequestTimes(0.001, 0.002, 0.003, 1.0)))
    metrics.add(make_record(2))
    failed = make_record(3, outcome="error", error="ServerError: no", first_byte=None, usage=None)
    failed.attempts.append(AttemptRecord("google", "gemini-3-pro", "b", "gemini", False, 1.0))
    metrics.add(failed)
    metrics.add(make_record(4, usage=Usage(100, image_input=30, audio_input=20, output=5)))
    found = samples(metrics)
    assert value(found, "antigravity_requests_total", outcome="ok") == 3
    assert value(found, "antigravity_requests_total", outcome="error") == 1
    assert value(found, "antigravity_request_errors_total", error="ServerError") == 1
    assert value(found, "antigravity_retries_total") == 1
    assert value(found, "antigravity_overhead_seconds_sum") == pytest.approx(0.006)
    genai = "gen_ai_client_inference"
    assert value(found, f"{genai}_duration_seconds_count", gen_ai_operation_name="chat") == 4
    assert value(found, f"{genai}_duration_seconds_sum") == 8
    assert value(found, f"{genai}_duration_seconds_bucket", le="2.56") == 4
    assert value(found, f"{genai}_duration_seconds_bucket", le="1.28") == 0
    assert value(found, f"{genai}_time_to_first_chunk_seconds_count") == 3
    tokens = f"{genai}_usage_input_tokens_total"
    assert value(found, tokens, gen_ai_token_modality="image") == 30
    assert value(found, tokens, gen_ai_token_modality="text") == 250
    assert value(found, f"{genai}_usage_cache_read_input_tokens_total") == 80
    assert value(found, f"{genai}_usage_reasoning_output_tokens_total") == 40


def test_state_is_shown() -> None:
    found = samples(RequestMetrics())
    assert value(found, "antigravity_info", version="1.2", demo="false") == 1
    assert value(found, "antigravity_requests_running") == 3
    assert value(found, "antigravity_requests_waiting") == 2
    assert value(found, "antigravity_account_requests_running", account="google-1") == 4
    assert value(found, "antigravity_account_quota_remaining_ratio", quota="gemini") == 0.25
    assert value(found, "antigravity_account_locks", reason="quota") == 2
    assert value(found, "antigravity_mcp_servers", state="ready") == 1
    assert value(found, "antigravity_configuration_current") == 1
    assert value(found, "antigravity_tunnel_connected") == 4
    assert value(found, "antigravity_tunnel_state", antigravity_tunnel_state="up") == 1
    assert value(found, "antigravity_tunnel_state", antigravity_tunnel_state="off") == 0
    assert value(found, "antigravity_account_available", account="google-1") == 1
    assert value(found, "antigravity_account_available", account="google-2") == 0
    assert value(found, "antigravity_signature_lookups_total", result="hit") == 7
    assert value(found, "antigravity_session_bindings_total", result="kept") == 9
    assert value(found, "antigravity_mcp_calls_total", method="tools/call", outcome="ok") == 5
    assert value(found, "antigravity_ledger_waiting_rows") == 7
    assert value(found, "antigravity_ledger_spooled_rows") == 3
    assert value(found, "antigravity_ledger_lost_rows") == 1
    assert value(found, "antigravity_ledger_size_bytes") == 4096
    assert value(found, "antigravity_ledger_lag_seconds") == 0.5
    assert value(found, "antigravity_ledger_writable") == 1


def test_samples_are_unique() -> None:
    """Prometheus refuses a page on which two samples of a metric have the same labels."""
    metrics = RequestMetrics()
    for number, protocol in enumerate(("anthropic", "openai_chat")):
        for operation in ("generate", "count_tokens"):
            metrics.add(make_record(number, protocol=protocol, operation=operation))
    _, page = render(metrics, STATE, old_names=True)
    found = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    ]
    assert len(found) == len(set(found))
    numbers = samples(metrics)
    chats = "gen_ai_client_inference_duration_seconds_count"
    assert value(numbers, chats, gen_ai_operation_name="chat") == 2
    assert value(numbers, "antigravity_requests_total", protocol="anthropic") == 2


def test_attempts_after_another_are_counted_by_its_error() -> None:
    metrics = RequestMetrics()
    record = make_record(1)
    record.attempts[0].error = "RateLimitedError: slow down"
    record.attempts += [
        AttemptRecord("google", "m", "b", "gemini", False, 1.0, error="ServerError: no"),
        AttemptRecord("google", "m", "c", "gemini", False, 1.5),
    ]
    metrics.add(record)
    metrics.add(record)
    found = samples(metrics)
    assert value(found, "antigravity_retries_total", error="RateLimitedError") == 2
    assert value(found, "antigravity_retries_total", error="ServerError") == 2


def test_costs_are_added_to_their_requests() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1))
    key = ("generate", "anthropic", "google", "gemini-3-pro")
    metrics.add_cost(key, 1_500_000_000, 2_000_000_000)
    metrics.add_cost(key, 0, 500_000_000)
    metrics.add_cost(key, None, None)
    found = samples(metrics)
    assert value(found, "antigravity_cost_dollars_total", model="gemini-3-pro") == 1.5
    assert value(found, "antigravity_list_cost_dollars_total", model="gemini-3-pro") == 2.5
    assert value(found, "antigravity_unpriced_requests_total", model="gemini-3-pro") == 1


def test_time_per_token_is_that_of_streams() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1, usage=Usage(10, output=18)))  # 1.75 s for 17 tokens
    metrics.add(make_record(2, stream=False))
    metrics.add(make_record(3, usage=Usage(10, output=1)))
    found = samples(metrics)
    name = "gen_ai_server_time_per_output_token_seconds"
    assert value(found, f"{name}_count") == 1
    assert value(found, f"{name}_sum") == pytest.approx(1.75 / 17)
    assert value(found, "gen_ai_client_inference_operation_output_tokens_sum") == 18 + 30 + 1


def test_old_names_are_written_when_wanted() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1))
    assert value(samples(metrics, old_names=True), "gen_ai_client_operation_duration_seconds_count")
    usage = "gen_ai_client_token_usage_sum"
    assert value(samples(metrics, old_names=True), usage, gen_ai_token_type="input") == 100
    names = {name for name, _ in samples(metrics)}
    old = ("gen_ai_client_operation", "gen_ai_client_token_usage")
    assert not [name for name in names if name.startswith(old)]


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIMIT", 10)
    metrics = RequestMetrics()
    for number in range(100):
        metrics.add(make_record(number, mapped_model=f"model-{number}"))
        unserved = make_record(number, model=f"guess-{number}", mapped_model=f"guess-{number}")
        unserved.attempts.clear()
        metrics.add(unserved)
    assert len(metrics.sums) <= 12
    found = samples(metrics)
    counted = [value for (name, _), value in found.items() if name == "antigravity_requests_total"]
    assert sum(counted) == 200
    assert value(found, "antigravity_requests_total", model="other") > 80
    assert value(found, "antigravity_requests_total", model="", upstream="") == 100
    assert "guess" not in str(found)


def test_half_of_a_character_in_the_name_of_a_model_does_not_end_the_page() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1, mapped_model="model-\ud83d"))
    assert value(samples(metrics), "antigravity_requests_total", model="model-?") == 1


def test_no_key_or_address_is_a_label() -> None:
    metrics = RequestMetrics()
    metrics.add(make_record(1, principal="0123456789abcdef"))
    page = str(samples(metrics))
    assert "0123456789abcdef" not in page
    assert "a@google" not in page


def test_buckets_are_cumulative() -> None:
    histogram = Histogram(DURATIONS)
    for number in (0.001, 0.01, 0.011, 1000.0):
        histogram.add(number)
    buckets = histogram.buckets()
    assert buckets[0] == ("0.01", 2)
    assert buckets[1] == ("0.02", 3)
    assert buckets[-1] == ("+Inf", 4)
