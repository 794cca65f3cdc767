"""Two gateways, one of them with two workers, whose keys and budgets are in one database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.conditions import wait_until
from tests.support.postgres import PostgresServer
from tests.workers.gateways import Posts, gateway, many_clients, post_in_turn, simulator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers need descriptors to inherit")


def test_workers_have_the_keys_of_the_database(tmp_path: Path, postgres: PostgresServer) -> None:
    table = f'[keys]\nurl = "{postgres.url()}"\n'
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "antigravity.toml").write_text(table)
    with (
        simulator(tmp_path / "upstream") as upstream,
        gateway(tmp_path, upstream, more=table) as found,
    ):
        created = found.ask("/admin/keys", "POST", {"label": "tight", "budgets": ["0.03/total"]})
        # 10 tokens at most for each, at 1,000 dollars for a million
        posts = Posts(found, 40, "[[ttft 2s]] [[tokens 10]]", created["key"])
        statuses = [status for status, _ in posts.join()]
        assert (statuses.count(200), statuses.count(429)) == (3, 37)

        def budget() -> dict[str, float]:
            usage = found.ask("/v1/usage", key=created["key"])
            return dict(usage["budgets"][0])

        wait_until(lambda: budget()["reserved"] == 0)
        assert 0 < budget()["spent"] <= budget()["limit"]

        free = found.ask("/admin/keys", "POST", {"label": "free"})
        with many_clients(found, 6, free["key"]) as clients:
            assert post_in_turn(clients) == [200] * 6
            # Another machine disables the key.
            command = [sys.executable, "-m", "antigravity", "keys", "disable", free["id"]]
            subprocess.run([*command, "--home", str(other)], check=True, capture_output=True)
            done = time.monotonic()
            wait_until(lambda: post_in_turn(clients) == [401] * 6)
            assert time.monotonic() - done < 5  # a second, on a machine that is not busy
