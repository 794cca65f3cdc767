"""When the tunnel starts, when it does not, and what happens when cloudflared dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, TunnelSettings
from antigravity.ir.errors import ConflictError
from antigravity.tunnel.executable import NotInstalledError
from antigravity.tunnel.service import FIRST_PAUSE, GONE_AFTER, LONGEST_PAUSE, STABLE_AFTER, Tunnel
from tests.tunnel.fake_cloudflared import (
    BAD_TOKEN,
    HELP,
    REGISTERED,
    REQUESTING,
    TOKEN,
    box,
    configured,
)

LOCKED = ProxySettings(auth_mode="strict", api_key=Secret("sk-key"))
OPEN = ProxySettings(auth_mode="off")
QUICK = TunnelSettings(enabled=True)
LOST = "2026-01-01T00:01:00Z INF Unregistered tunnel connection connIndex=0"
GONE = (
    "2026-01-01T00:02:00Z ERR Register tunnel error from server side "
    'error="Unauthorized: Tunnel not found" connIndex=0 event=0 ip=198.51.100.7'
)
NAMED = TunnelSettings(enabled=True, mode="token", token=Secret(TOKEN), origin_port=8046)


class FakeProcess:
    """A run that ends when the test says so."""

    def __init__(self, command: Any, on_line: Any, on_end: Any) -> None:
        self.command = command
        self.on_line = on_line
        self.on_end = on_end
        self.asked: list[str] = []

    def leave(self) -> None:
        self.asked.append("leave")

    def stop(self) -> None:
        self.asked.append("stop")

    def say(self, *lines: str) -> None:
        for line in lines:
            self.on_line(line)


class FakePort:
    """A port that is open or not; it takes a while to close if the test says so."""

    def __init__(self) -> None:
        self.is_open = False
        self.taken = False
        self.slow: Deferred[None] | None = None

    def open(self, number: int) -> int:
        if self.taken:
            raise CannotListenError("127.0.0.1", number, OSError(98, "in use"))
        self.is_open = True
        return number or 40001

    def stop_accepting(self) -> Deferred[None]:
        self.is_open = False
        done: Deferred[None] = self.slow or Deferred()
        if self.slow is None:
            done.callback(None)
        return done

    close = stop_accepting


class TunnelListener:
    names: frozenset[str] = frozenset()


class TunnelFixture:
    """A tunnel whose clock, port and processes are the test's."""

    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self.port = FakePort()
        self.entrance = TunnelListener()
        self.runs: list[FakeProcess] = []
        self.missing = False
        self.tunnel = Tunnel(
            self.clock,
            self.spawn,
            self.port,  # type: ignore[arg-type]
            self.entrance,
            home,
            self.find,
        )

    def find(self, tunnel: TunnelSettings, home: Path) -> Path:
        if self.missing:
            raise NotInstalledError("cloudflared is not installed")
        return Path("/opt/cloudflared")

    def spawn(self, command: Any, on_line: Any, on_end: Any) -> FakeProcess:
        self.runs.append(FakeProcess(command, on_line, on_end))
        return self.runs[-1]

    def use(self, tunnel: TunnelSettings = QUICK, proxy: ProxySettings = LOCKED) -> None:
        self.tunnel.use(Settings(proxy=proxy, tunnel=tunnel))

    @property
    def run(self) -> FakeProcess:
        return self.runs[-1]

    @property
    def state(self) -> object:
        return self.tunnel.status().state

    def status(self, key: str) -> Any:
        return getattr(self.tunnel.status(), key)

    def die(self, code: int | None = 1) -> None:
        self.run.on_end(code)

    def stand(self, name: str = "a-b") -> None:
        self.run.say(REQUESTING, box(name), REGISTERED)
        assert self.state == "up"


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = TunnelFixture(tmp_path)
    yield made
    made.tunnel.close()
    assert made.clock.getDelayedCalls() == []
    assert not made.port.is_open
    assert made.entrance.names == frozenset()


def test_tunnel_is_off_by_default(house: TunnelFixture) -> None:
    house.use(TunnelSettings())
    assert (house.state, house.runs, house.port.is_open) == ("off", [], False)


def test_quick_tunnel_is_up_with_address_and_connection(house: TunnelFixture) -> None:
    house.use()
    assert house.state == "starting"
    assert "http://127.0.0.1:40001" in house.run.command.arguments
    house.run.say(REQUESTING, 'ERR Post "https://api.trycloudflare.com/tunnel": timeout')
    assert house.status("addresses") == []
    house.run.say(box("calm-river"))
    assert (house.state, house.entrance.names) == ("starting", {"calm-river.trycloudflare.com"})
    house.run.say(REGISTERED)
    assert house.state == "up"
    assert house.status("addresses") == ["https://calm-river.trycloudflare.com"]
    house.clock.advance(QUICK.start_timeout)
    assert house.state == "up"


def test_start_is_refused_without_authentication_and_names_remedy(house: TunnelFixture) -> None:
    house.use(proxy=OPEN)
    assert (house.state, house.runs, house.port.is_open) == ("refused", [], False)
    assert "auth_mode" in house.status("reason")
    assert "--insecure" in house.status("reason")
    with pytest.raises(ConflictError, match="auth_mode"):
        house.tunnel.start()
    assert house.runs == []


def test_auto_mode_counts_as_its_effective_mode(house: TunnelFixture) -> None:
    house.use(proxy=ProxySettings(auth_mode="auto", api_key=Secret("sk-key")))
    assert house.state == "refused"
    house.use(proxy=ProxySettings(auth_mode="auto", allow_lan_access=True, api_key=Secret("k")))
    assert house.state == "starting"


def test_insecure_allows_start_without_authentication(house: TunnelFixture) -> None:
    house.use(replace(QUICK, insecure=True), OPEN)
    house.stand()
    house.use(QUICK, OPEN)
    house.die(0)
    assert house.state == "refused"
    house.tunnel.start(insecure=True)
    house.stand()
    house.tunnel.stop()
    house.die(0)
    with pytest.raises(ConflictError):  # the operator's word was for that time
        house.tunnel.start()


def test_disabled_authentication_stops_tunnel_at_once(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    house.use(proxy=OPEN)
    assert (house.state, house.port.is_open) == ("refused", False)
    assert house.entrance.names == frozenset()
    assert house.run.asked == ["stop"]
    house.use()  # it is switched on again before cloudflared has ended
    assert len(house.runs) == 1
    house.die(0)
    assert (house.state, len(house.runs)) == ("starting", 2)


def test_restart_waits_until_port_is_closed(house: TunnelFixture) -> None:
    house.use(NAMED)
    house.run.say(REGISTERED)
    house.port.slow = slow = Deferred()
    house.use(replace(NAMED, protocol="http2"))
    house.die(0)
    assert len(house.runs) == 1
    house.port.slow = None
    slow.callback(None)
    assert len(house.runs) == 2
    assert "http2" in house.run.command.arguments


def test_delays_grow_with_failures_and_reset_after_stable_run(house: TunnelFixture) -> None:
    house.use()
    pauses = []
    for _ in range(10):
        house.run.say("2026-01-01T00:00:00Z ERR edge went away")
        house.die(3)
        assert house.state == "waiting"
        assert house.status("reason") == "cloudflared ended with exit code 3: edge went away"
        pauses.append(house.status("retry_in"))
        house.clock.advance(pauses[-1] - 0.5)
        assert house.state == "waiting"
        house.clock.advance(0.5)
        assert house.state == "starting"
    assert pauses[:4] == [FIRST_PAUSE, 4.0, 8.0, 16.0]
    assert pauses[-1] == LONGEST_PAUSE
    assert house.status("restarts") == 10
    house.stand()
    house.clock.advance(STABLE_AFTER)
    house.die()
    assert house.status("retry_in") == FIRST_PAUSE


def test_short_run_does_not_reset_delays(house: TunnelFixture) -> None:
    house.use()
    for _ in range(3):
        house.stand()
        house.die()
        house.clock.advance(house.status("retry_in"))
    house.die()
    assert house.status("retry_in") == FIRST_PAUSE * 8


def test_new_address_replaces_old_one(house: TunnelFixture) -> None:
    house.use()
    house.stand("old-name")
    house.die()
    assert house.entrance.names == frozenset()
    house.clock.advance(FIRST_PAUSE)
    house.stand("new-name")
    assert house.entrance.names == {"new-name.trycloudflare.com"}
    assert house.status("addresses") == ["https://new-name.trycloudflare.com"]


@pytest.mark.parametrize("said", [(), (REQUESTING,)], ids=["nothing", "no address"])
def test_run_without_address_is_restarted_after_timeout(
    house: TunnelFixture, said: tuple[str, ...]
) -> None:
    house.use()
    house.run.say(*said)
    house.clock.advance(QUICK.start_timeout)
    assert house.run.asked == ["stop"]
    house.die(None)
    assert house.state == "waiting"
    what = "reported no address" if said else "printed nothing"
    assert house.status("reason") == f"cloudflared {what} within 60 s"


def test_run_with_address_but_no_connection_is_not_stopped(house: TunnelFixture) -> None:
    house.use()
    house.run.say(box("a-b"))
    house.clock.advance(QUICK.start_timeout)
    assert (house.state, house.run.asked) == ("starting", [])
    assert "no connection" in house.status("reason")
    house.run.say(REGISTERED)
    assert (house.state, house.status("reason")) == ("up", "")


def test_invalid_token_is_not_retried(house: TunnelFixture) -> None:
    house.use(NAMED)
    house.run.say(BAD_TOKEN, HELP)
    assert (house.state, house.status("reason")) == ("failed", BAD_TOKEN)
    house.die(1)
    house.clock.advance(LONGEST_PAUSE)
    assert (house.state, len(house.runs)) == ("failed", 1)
    house.use(NAMED)  # a reload that changes nothing about it
    assert len(house.runs) == 1
    house.use(replace(NAMED, token=Secret(TOKEN + "x")))
    assert (house.state, len(house.runs)) == ("starting", 2)


def test_names_of_token_tunnel_are_those_with_origin_here(house: TunnelFixture) -> None:
    house.use(NAMED)
    house.run.say(REGISTERED)
    assert (house.state, house.status("addresses")) == ("up", [])
    here, elsewhere = "http://127.0.0.1:8046", "http://localhost:3000"
    house.run.say(configured(("LLM.example.org", here), ("web.example.org", elsewhere)))
    assert house.entrance.names == {"llm.example.org"}
    house.run.say(configured(("web.example.org", elsewhere)))
    assert house.entrance.names == frozenset()


def test_hostname_setting_is_used(house: TunnelFixture) -> None:
    house.use(replace(NAMED, hostname="llm.example.org"))
    assert house.entrance.names == {"llm.example.org"}
    house.run.say(REGISTERED, configured(("other.example.org", "http://localhost:8046")))
    assert house.entrance.names == {"llm.example.org", "other.example.org"}


def test_operator_choice_holds_until_settings_change(house: TunnelFixture) -> None:
    house.use(TunnelSettings())
    house.tunnel.start()
    house.stand()
    house.use(TunnelSettings(), replace(LOCKED, request_timeout=5.0))  # about something else
    assert house.state == "up"
    gone = house.tunnel.stop()
    assert not gone.called
    house.die(0)
    assert gone.called
    house.use(TunnelSettings(), LOCKED)
    assert house.state == "off"
    house.use(QUICK)
    assert house.state == "starting"


def test_start_without_executable_fails_and_running_tunnel_retries(house: TunnelFixture) -> None:
    house.missing = True
    house.use(TunnelSettings())
    with pytest.raises(ConflictError, match="not installed"):
        house.tunnel.start()
    house.use()
    assert (house.state, house.status("reason")) == ("waiting", "cloudflared is not installed")
    house.missing = False
    house.tunnel.start()
    assert house.state == "starting"


def test_port_in_use_is_retried(house: TunnelFixture) -> None:
    house.port.taken = True
    house.use(NAMED)
    assert house.state == "waiting"
    assert "8046" in house.status("reason")
    house.port.taken = False
    house.clock.advance(FIRST_PAUSE)
    assert house.state == "starting"


def test_leave_closes_port_before_cloudflared_ends(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    house.tunnel.leave()
    assert (house.port.is_open, house.run.asked) == (False, ["leave"])
    gone = house.tunnel.close()
    assert house.run.asked == ["leave", "stop"]
    assert not gone.called
    house.die(0)
    assert gone.called
    house.clock.advance(LONGEST_PAUSE)
    assert len(house.runs) == 1


def test_output_of_stopped_run_is_ignored(house: TunnelFixture) -> None:
    house.use()
    house.tunnel.stop()
    house.run.say(box("late-name"), REGISTERED)
    assert (house.state, house.entrance.names) == ("off", frozenset())
    house.die(0)


def test_lost_connection_lowers_count(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    assert house.status("connections") == 1
    house.run.say("2026-01-01T00:01:00Z INF Unregistered tunnel connection connIndex=0")
    assert house.status("connections") == 0
    house.run.say(REGISTERED)
    assert house.status("connections") == 1


def test_tunnel_without_connection_is_starting(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    house.run.say(LOST)
    assert house.state == "starting"
    assert "no connection" in house.status("reason")
    house.run.say(REGISTERED)
    assert (house.state, house.status("reason")) == ("up", "")
    house.clock.advance(GONE_AFTER)
    assert (house.state, house.run.asked) == ("up", [])


def test_deleted_tunnel_is_replaced_with_new_address(house: TunnelFixture) -> None:
    house.use()
    house.stand("old-name")
    house.clock.advance(STABLE_AFTER)
    house.run.say(LOST, GONE, GONE)
    assert house.state == "starting"
    assert "no longer knows" in house.status("reason")
    assert house.run.asked == ["stop"]
    house.run.say(REGISTERED)
    assert house.state == "starting", "it is only ending still"
    house.die(0)
    assert (house.state, house.entrance.names) == ("waiting", frozenset())
    house.clock.advance(FIRST_PAUSE)
    house.stand("new-name")
    assert house.state == "up"
    assert house.status("addresses") == ["https://new-name.trycloudflare.com"]
    assert house.entrance.names == {"new-name.trycloudflare.com"}


def test_tunnel_unknown_to_server_is_replaced(house: TunnelFixture) -> None:
    house.use()
    house.run.say(REQUESTING, box("a-b"), GONE)
    assert house.run.asked == ["stop"]
    house.die(0)
    house.clock.advance(FIRST_PAUSE)
    assert len(house.runs) == 2


def test_tunnel_with_other_connection_is_not_replaced(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    house.run.say(REGISTERED.replace("connIndex=0", "connIndex=1"), GONE)
    assert (house.state, house.status("connections"), house.run.asked) == ("up", 1, [])


def test_quick_tunnel_is_replaced_after_long_outage(house: TunnelFixture) -> None:
    house.use()
    house.stand()
    house.run.say(LOST)
    house.clock.advance(GONE_AFTER - 1)
    assert house.run.asked == []
    house.clock.advance(1)
    assert house.run.asked == ["stop"]


def test_token_tunnel_is_not_replaced_after_outage(house: TunnelFixture) -> None:
    house.use(NAMED)
    house.run.say(REGISTERED, LOST)
    house.clock.advance(GONE_AFTER * 2)
    assert (house.state, house.run.asked) == ("starting", [])
    house.run.say(REGISTERED)
    assert house.state == "up"
