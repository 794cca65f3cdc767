"""A gateway with two workers: what any of them answers for all."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import stat
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.conditions import wait_until
from tests.support.processes import is_alive
from tests.workers.gateways import (
    Gateway,
    Posts,
    gateway,
    load,
    many_clients,
    post_in_turn,
    simulator,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers need descriptors to inherit")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("upstream") / "simulator") as address:
        yield address


@pytest.fixture(scope="module")
def shared(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose workers these tests do not end."""
    with gateway(tmp_path_factory.mktemp("shared"), upstream) as found:
        yield found


@pytest.fixture
def own(upstream: str, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway for one test."""
    with gateway(tmp_path, upstream) as found:
        yield found


def recorded(gateway: Gateway) -> int:
    """Return how many requests the ledger has."""
    count, before = 0, ""
    while before is not None:
        page = gateway.ask(f"/admin/requests?limit=500{before and f'&before={before}'}")
        count += len(page["requests"])
        before = page["next"]
    return count


def test_both_workers_serve_and_main_process_does_not(shared: Gateway) -> None:
    serving = shared.serving()
    assert sorted(serving) == [1, 2]
    assert shared.pid not in serving.values()
    posts = Posts(shared, 12, "[[ttft 3s]] hello")
    status = wait_until(
        lambda: (s := shared.ask("/admin/status"))["pool"]["running"] == 12 and s, 60
    )
    running = [each["running"] for each in status["workers"]]
    assert sum(running) == 12
    assert all(running), running
    assert status["running_requests"] == 12
    assert sum(each["running"] for each in status["pool"]["accounts"]) == 12
    assert len(shared.ask("/admin/running")["requests"]) == 12
    posts.join()
    wait_until(lambda: shared.ask("/admin/status")["running_requests"] == 0)


def test_metrics_and_ledger_have_requests_of_both(shared: Gateway) -> None:
    def counted() -> float:
        page = shared.text("/metrics")
        found = re.findall(
            r'^antigravity_requests_total\{.*outcome="ok".*\} ([\d.e+]+)$', page, re.M
        )
        return sum(map(float, found))

    metrics, rows = counted(), recorded(shared)
    with many_clients(shared, 8) as clients:
        assert post_in_turn(clients) == [200] * 8
    assert counted() - metrics == 8
    assert recorded(shared) - rows == 8


def test_request_of_a_worker_is_cancelled(shared: Gateway) -> None:
    posts = Posts(shared, 4, "[[ttft 30s]] hi")
    found = wait_until(lambda: len(r := shared.ask("/admin/running")["requests"]) == 4 and r)
    for each, name in zip(found, ("id", "reference") * 2, strict=True):
        assert shared.ask(f"/admin/requests/{each[name]}/cancel", "POST") == {
            "cancelled": each[name]
        }
    results = posts.join()
    assert [status for status, _ in results] != [200] * 4
    assert all("cancelled this request" in body["error"]["message"] for _, body in results)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        shared.ask("/admin/requests/nothing/cancel", "POST")


def test_removed_key_is_refused_by_all_at_once(shared: Gateway) -> None:
    created = shared.ask("/admin/keys", "POST", {"label": "short"})
    with many_clients(shared, 10, created["key"]) as clients:
        assert post_in_turn(clients) == [200] * 10
        shared.ask(f"/admin/keys/{created['id']}", "DELETE")
        assert post_in_turn(clients) == [401] * 10


def test_budget_is_never_overspent_by_two_workers(shared: Gateway) -> None:
    """200 requests at a time, of a key whose budget is for three."""
    # 10 tokens at most for each, at 1,000 dollars for a million
    created = shared.ask("/admin/keys", "POST", {"label": "tight", "budgets": ["0.03/total"]})
    posts = Posts(shared, 200, "[[ttft 2s]] [[tokens 10]]", created["key"])
    results = [status for status, _ in posts.join()]
    assert len(results) == 200
    assert results.count(200) == 3
    assert results.count(429) == 197
    budget = wait_until(
        lambda: (
            (found := shared.ask("/v1/usage", key=created["key"])["budgets"][0])
            and not found["reserved"]
            and found
        )
    )
    assert budget["spent"] <= budget["limit"]


def test_limit_of_requests_counts_in_both(shared: Gateway) -> None:
    created = shared.ask("/admin/keys", "POST", {"label": "slow", "requests_per_minute": 5})
    with many_clients(shared, 12, created["key"]) as clients:
        statuses = post_in_turn(clients)
    assert (statuses.count(200), statuses.count(429)) == (5, 7)


def test_main_process_admits_what_workers_pass_on(shared: Gateway) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        shared.ask("/admin/status", key="sk-wrong")
    assert refused.value.code == 401
    assert refused.value.headers["Connection"] == "close", "the next request finds any worker"
    assert "<html" in shared.text("/dashboard")


def test_killed_worker_is_replaced_and_others_go_on(own: Gateway) -> None:
    serving = own.serving()
    with load(own) as result:
        os.kill(serving[1], signal.SIGKILL)
        replaced = wait_until(
            lambda: (s := own.serving()).get(1, serving[1]) != serving[1] and s, 120
        )
    assert replaced[2] == serving[2]
    assert not result.statuses
    assert len(result.failures) <= 6, "each connection of the killed worker fails once"
    broken = ("Connection", "Disconnected", "IncompleteRead", "BrokenPipe")
    assert not [each for each in result.failures if not any(name in each for name in broken)]
    assert "ended by signal 9" in own.server.log
    (first,) = (each for each in own.workers() if each["number"] == 1)
    assert first["restarts"] == 1
    # at most what the worker had not sent yet: the rows of 200 ms
    assert result.responses - recorded(own) <= 6 * 10


def test_reload_renews_workers_without_a_failed_request(own: Gateway) -> None:
    before = own.serving()
    with load(own) as result:
        own.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "serving with the new configuration" in own.server.log, 120)
        assert own.serving().keys() == before.keys()
    after = own.serving()
    assert not set(before.values()) & set(after.values())
    assert (result.failures, result.statuses) == ([], [])
    wait_until(lambda: not any(map(is_alive, before.values())))
    assert recorded(own) == result.responses, "no row is lost"


def test_changed_settings_reach_the_running_workers(own: Gateway) -> None:
    before = own.serving()
    with many_clients(own, 8) as clients, load(own) as result:
        assert post_in_turn(clients) == [200] * 8
        own.write_settings('models = ["gpt-*"]', 'models = ["other-*", "gpt-*"]')
        own.server.wait_for_log("(serving with the new configuration)")
        assert [each.post("hello", model="other-1")[0] for each in clients] == [200] * 8
    assert own.serving() == before
    assert (result.failures, result.statuses) == ([], [])
    assert own.server.log.count("serving with the new configuration") == 1


def test_bodies_are_kept_once_running_workers_should(own: Gateway) -> None:
    before = own.serving()
    with many_clients(own, 8) as clients:
        assert post_in_turn(clients) == [200] * 8
        own.write_settings("[metrics]", '[ledger]\npayloads = "all"\n[metrics]')
        own.server.wait_for_log("(serving with the new configuration)")
        assert post_in_turn(clients, "keep this") == [200] * 8
    rows = own.ask("/admin/requests?limit=8")["requests"]
    for row in rows:
        kept = wait_until(lambda row=row: own.payloads(row["id"]))
        assert "keep this" in json.dumps(kept)
    assert own.serving() == before


def test_accounts_come_and_go_in_running_workers(upstream: str, tmp_path: Path) -> None:
    more = '[upstreams.spare]\nkind = "openai"\nmodels = ["spare-*"]\n'
    more += f'base_url = "{upstream}/v1"\n'
    account = {"kind": "openai", "upstream": "spare", "secret": "k2", "check": False}
    with gateway(tmp_path, upstream, more=more) as own, many_clients(own, 8) as clients:

        def statuses() -> set[int]:
            return {each.post("hello", model="spare-1")[0] for each in clients}

        before = own.serving()
        assert 200 not in statuses()
        added = own.ask("/admin/accounts", "POST", account)
        assert statuses() == {200}
        own.ask(f"/admin/accounts/{added['account']}", "DELETE")
        assert 200 not in statuses()
        assert own.serving() == before


def test_request_of_a_renewed_worker_goes_on(own: Gateway) -> None:
    old = set(own.serving().values())
    posts = Posts(own, 1, "[[ttft 300s]] hello")
    wait_until(lambda: own.ask("/admin/status")["running_requests"] == 1)
    own.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(set(own.serving().values()) - old) == 2, 120)
    (running,) = own.ask("/admin/running")["requests"]
    draining = [each for each in own.workers() if each["state"] == "draining"]
    assert sum(each["running"] for each in draining) == 1
    own.ask(f"/admin/requests/{running['id']}/cancel", "POST")
    ((_, body),) = posts.join()
    assert "cancelled this request" in body["error"]["message"]
    wait_until(lambda: not any(map(is_alive, old)))


def test_requests_end_before_the_gateway_stops(own: Gateway) -> None:
    workers = list(own.serving().values())
    posts = Posts(own, 6, "[[ttft 2s]] hello")
    wait_until(lambda: own.ask("/admin/status")["running_requests"] == 6)
    assert own.server.stop() in (0, -signal.SIGTERM)
    assert [status for status, _ in posts.join()] == [200] * 6
    assert not any(map(is_alive, [own.pid, *workers]))
    # the rows of the last requests are in the file
    with sqlite3.connect(own.home / "state" / "ledger.db") as database:
        assert database.execute("select count(*) from requests").fetchone() == (6,)


def test_workers_end_when_the_main_process_is_killed(own: Gateway) -> None:
    workers = list(own.serving().values())
    folder = re.search(r"starting on '(/\S+)/main\.sock'", own.server.log)
    assert folder is not None
    assert stat.S_IMODE(Path(folder[1]).stat().st_mode) == 0o700
    os.kill(own.pid, signal.SIGKILL)
    own.server.process.wait(20)
    started = time.monotonic()
    wait_until(lambda: not any(map(is_alive, workers)), 20)
    assert time.monotonic() - started < 20
    assert not Path(folder[1]).exists()


def test_crash_loop_is_named(own: Gateway) -> None:
    for _ in range(3):
        before = own.serving().get(1)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        wait_until(lambda gone=before: own.serving().get(1) not in (None, gone))
    assert "worker 1 ends again and again (3 times): it was ended by signal 9" in own.server.log
    (first,) = (each for each in own.workers() if each["number"] == 1)
    assert first["problem"].startswith("it ended 3 times in a row")
    assert json.dumps(own.workers())
