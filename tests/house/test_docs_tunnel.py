"""What the page on the tunnel claims is what the code does."""

from __future__ import annotations

import re
from typing import Any, get_args

from antigravity.cli.options import common_options
from antigravity.cli.tunnel_install import install
from antigravity.processes import guarded
from antigravity.tunnel import service
from antigravity.web.admin import AdminRequests
from tests.house.pages import table
from tests.support.pages import ROOT

PAGE = "docs/tunnel.rst"
TEXT = " ".join((ROOT / PAGE).read_text("utf-8").split())


def test_tunnel_states_are_documented() -> None:
    assert [row[0] for row in table(PAGE, "State")] == list(get_args(service.State))


def test_documented_tunnel_requests_exist() -> None:
    administration: Any = object()
    routes = AdminRequests(administration).routes()
    listed = {tuple(row[0].split()) for row in table(PAGE, "Request")}
    known = {(each.method, each.path) for each in routes if each.path.startswith("/admin/tun")}
    assert listed == known


def test_install_options_are_documented() -> None:
    listed = {row[0].split()[0] for row in table(PAGE, "Flag")}
    common = {option.opts[0] for option in common_options()} - {"--version"}
    assert listed == {option.opts[0] for option in install.params} - common


def test_tunnel_times_are_correct() -> None:
    assert "tried again after 2 seconds, then 4, 8 and so on up to 5 minutes" in TEXT
    assert (service.FIRST_PAUSE, service.LONGEST_PAUSE) == (2.0, 300.0)
    assert "was up for a minute" in TEXT
    assert service.STABLE_AFTER == 60.0
    assert "is killed after 5 seconds" in TEXT
    assert guarded.GRACE == 5.0


def test_refusal_names_documented_remedy() -> None:
    assert re.search(r'auth_mode = "(\w+)"', TEXT)[1] in service.REFUSAL  # type: ignore[index]
    assert "--insecure" in service.REFUSAL
