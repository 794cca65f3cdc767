"""Run cloudflared while a tunnel is enabled and clients need a key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.config.settings import Settings, TunnelSettings, effective_auth_mode
from antigravity.interfaces.status import TunnelStatus
from antigravity.ir.errors import ConflictError
from antigravity.logs import make_logger
from antigravity.processes.command import Command
from antigravity.processes.guarded import OnEnd, OnLine
from antigravity.tunnel.executable import NotInstalledError, find_executable
from antigravity.tunnel.tunnel_port import TunnelPort

if TYPE_CHECKING:
    from antigravity.tunnel.cloudflared_run import CloudflaredRun

#: Seconds before cloudflared is restarted; doubled after each failure.
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
#: After so many seconds of connection, the pauses start again from the first.
STABLE_AFTER: Final = 60.0
#: Seconds without a connection after which Cloudflare has probably removed a quick tunnel.
GONE_AFTER: Final = 300.0

REFUSAL: Final = (
    "authentication is off: anyone on the Internet could use your accounts. Set auth_mode = "
    '"all_except_health" and an api_key in the [proxy] table of the configuration. If that '
    "is intended, start it with --insecure, or set insecure = true in the [tunnel] table"
)

State = Literal["off", "refused", "starting", "up", "waiting", "failed"]


class Process(Protocol):
    """A running cloudflared."""

    def leave(self) -> None:
        """Ask cloudflared to finish its requests and exit."""

    def stop(self) -> None:
        """Terminate cloudflared."""


Spawn = Callable[[Command, OnLine, OnEnd], Process]


class TunnelListener(Protocol):
    """The listener for the tunnel, which admits requests for the tunnel's host names."""

    names: frozenset[str]


class Tunnel:
    """The tunnel, which runs cloudflared while it is enabled.

    The settings enable it, until the operator overrides them; changed settings override the
    operator again.  :meth:`_start_or_stop` applies every change to cloudflared.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        spawn: Spawn,
        port: TunnelPort,
        listener: TunnelListener,
        home: Path,
        find: Callable[[TunnelSettings, Path], Path] = find_executable,
    ) -> None:
        self._clock = clock
        self._spawn = spawn
        self._port = port
        self._listener = listener
        self._home = home
        self._find = find
        self._settings = TunnelSettings()
        self._auth_mode = "off"
        self._enabled = False
        self._insecure = False
        self._is_closed = False
        self._state: State = "off"
        self._reason = ""
        self._run: CloudflaredRun | None = None
        self._process: Process | None = None
        self._was_stopped = False
        self._failure = ""
        self._is_open = False
        self._closing = 0
        self._timer: IDelayedCall | None = None
        self._stop_waiters: list[Deferred[None]] = []
        self._failures = 0
        self._restarts = 0
        self._up_since = 0.0
        self._address = ""

    # -- public methods --

    def use(self, settings: Settings) -> None:
        """Apply ``settings``."""
        before, self._settings = self._settings, settings.tunnel
        self._auth_mode = effective_auth_mode(settings.proxy)
        if self._settings != before:
            self._enabled = self._settings.enabled
            self._insecure = False
            if self._is_open:
                self._withdraw()
            self._forget_failures()
        self._start_or_stop()

    def start(self, insecure: bool = False) -> None:
        """Enable the tunnel; ``insecure`` permits it although authentication is off.

        :raises ConflictError: if it cannot start; the message names the remedy.
        """
        self._insecure = self._insecure or insecure
        if problem := self._refusal():
            raise ConflictError(f"The tunnel is not started: {problem}.", code="tunnel_refused")
        if self._settings.mode == "token" and not self._settings.token:
            raise ConflictError("The tunnel is not started: tunnel.token is empty.")
        try:
            self._find(self._settings, self._home)
        except NotInstalledError as error:
            raise ConflictError(f"The tunnel is not started: {error}.") from error
        self._enabled = True
        if self._state in ("waiting", "failed"):
            self._forget_failures()
        self._start_or_stop()

    def stop(self) -> Deferred[None]:
        """Disable the tunnel; return a Deferred that fires when it is closed."""
        self._enabled = self._insecure = False
        self._start_or_stop()
        return self._when_stopped()

    def leave(self) -> None:
        """Refuse new requests and let running ones end, because the gateway is stopping."""
        self._is_closed = True
        self._cancel_timer()
        self._track_closing(self._port.stop_accepting())
        if self._process is not None:
            self._process.leave()

    def close(self) -> Deferred[None]:
        """Close the tunnel for good; return a Deferred that fires when that is done."""
        self._is_closed = True
        if self._is_open:
            self._withdraw()
        self._state = "off"
        return self._when_stopped()

    def status(self) -> TunnelStatus:
        """Return the state of the tunnel for the operator."""
        run, timer = self._run, self._timer
        names = sorted(run.names) if run is not None else []
        retry = timer.getTime() - self._clock.seconds() if timer is not None else 0.0
        return TunnelStatus(
            state=self._state,
            enabled=self._enabled,
            mode=self._settings.mode,
            addresses=[f"https://{name}" for name in names],
            connections=len(run.connections) if run is not None else 0,
            authentication=self._auth_mode,
            reason=self._reason or (run.reason if run and self._state == "starting" else ""),
            restarts=self._restarts,
            retry_in=round(retry, 1) if self._state == "waiting" else None,
            start_timeout=self._settings.start_timeout,
        )

    # -- state changes --

    def _refusal(self) -> str:
        is_open = self._auth_mode == "off"
        return REFUSAL if is_open and not (self._insecure or self._settings.insecure) else ""

    def _start_or_stop(self) -> None:
        """Start or stop cloudflared as the settings require."""
        if self._is_closed:
            return
        problem = self._refusal() if self._enabled else ""
        if problem and self._state != "refused":
            event = "is stopped" if self._process is not None else "does not start"
            self.log.error("the tunnel {event}: {why}", event=event, why=problem)
        if problem or not self._enabled:
            self._state, self._reason = ("refused", problem) if problem else ("off", "")
            self._failures = self._restarts = 0
            if self._is_open:
                self._withdraw()
        elif self._process is None and not self._closing and self._state in ("off", "refused"):
            self._launch()

    def _withdraw(self) -> None:
        """Close the listener at once, and stop cloudflared."""
        self._is_open = False
        self._cancel_timer()
        self._listener.names = frozenset()
        self._run = None
        self._track_closing(self._port.close())
        if self._process is not None:
            self._was_stopped = True
            self._process.stop()

    def _track_closing(self, closing: Deferred[Any]) -> None:
        """Count a port that closes; cloudflared starts again only afterwards."""
        self._closing += 1
        closing.addErrback(lambda failure: self.log.failure("closing the tunnel failed", failure))
        closing.addCallback(self._on_closed)

    def _on_closed(self, result: object) -> None:
        self._closing -= 1
        self._start_or_stop()
        self._notify_stopped()

    def _when_stopped(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._stop_waiters.append(waiting)
        self._notify_stopped()
        return waiting

    def _notify_stopped(self) -> None:
        if self._process is None and not self._closing:
            waiting, self._stop_waiters = self._stop_waiters, []
            for done in waiting:
                done.callback(None)

    def _forget_failures(self) -> None:
        self._cancel_timer()
        self._failures = self._restarts = 0
        self._state, self._reason = "off", ""

    # -- one run --

    def _launch(self) -> None:
        # Most gateways have no tunnel.
        from antigravity.tunnel.cloudflared_run import CloudflaredRun
        from antigravity.tunnel.command import prepare, tunnel_command

        self._state, self._reason, self._failure = "starting", "", ""
        self._is_open, self._was_stopped = True, False
        if self._auth_mode == "off":
            self.log.warn("the tunnel starts INSECURE: anyone on the Internet can use the gateway")
        settings = self._settings
        try:
            executable = self._find(settings, self._home)
            port = self._port.open(settings.origin_port)
            prepare(self._home)
            run = CloudflaredRun(settings, port)
            command = tunnel_command(executable, settings, port, self._home)
            self._process = self._spawn(command, partial(self._on_line, run), self._ended)
        except (NotInstalledError, CannotListenError, OSError) as error:
            self._schedule_restart(str(error))
            return
        self._run = run
        self._listener.names = run.names
        self._set_timer(settings.start_timeout, self._start_timed_out)

    def _on_line(self, run: CloudflaredRun, line: str) -> None:
        effect = run.read(line)
        if run is not self._run or self._failure:
            return  # it is already stopping
        if effect == "permanent_failure":
            self._give_up(run.reason)
        elif effect == "names":
            self._listener.names = run.names
            self._log_address(run)
        elif effect == "address_gone":
            self._mark_down("Cloudflare no longer knows its address")
            self._abandon(self._reason)
            return
        if not run.is_up and self._state == "up":
            self._mark_down("there is no connection to Cloudflare")
            if self._settings.mode == "quick":
                self._set_timer(GONE_AFTER, self._reconnect_timed_out)
        if run.is_up and self._state == "starting":
            self._cancel_timer()
            self._state, self._reason = "up", ""
            self._up_since = self._clock.seconds()
            self.log.info("the tunnel is up")

    def _mark_down(self, reason: str) -> None:
        """Mark the tunnel as down because it has no connection."""
        if self._state == "up" and self._clock.seconds() - self._up_since >= STABLE_AFTER:
            self._failures = 0
        self._cancel_timer()
        self._state, self._reason = "starting", reason
        self.log.warn("the tunnel is down: {why}", why=reason)

    def _reconnect_timed_out(self) -> None:
        self._timer = None
        self._abandon(f"there was no connection to Cloudflare for {GONE_AFTER:g} s")

    def _log_address(self, run: CloudflaredRun) -> None:
        address = ", ".join(f"https://{name}" for name in sorted(run.names))
        if self._address and address != self._address:
            self.log.warn(
                "the tunnel's address has changed to {new} (it was {old})",
                new=address or "none",
                old=self._address,
            )
        elif address:
            self.log.info("the tunnel's address is {address}", address=address)
        self._address = address

    def _start_timed_out(self) -> None:
        self._timer = None
        run, seconds = self._run, self._settings.start_timeout
        if run is not None and run.can_keep_trying:
            self._reason = f"there is no connection to Cloudflare after {seconds:g} s"
            self.log.warn("the tunnel is slow: {why}; cloudflared keeps trying", why=self._reason)
            return
        what = "reported no address" if run is not None and run.has_output else "printed nothing"
        self._abandon(f"cloudflared {what} within {seconds:g} s")

    def _abandon(self, reason: str) -> None:
        """Stop a run that has failed; :meth:`_ended` starts the next one."""
        self._failure = reason
        if self._process is not None:
            self._process.stop()

    def _give_up(self, reason: str) -> None:
        self.log.error("the tunnel failed: {why}", why=reason)
        self._withdraw()
        self._state, self._reason = "failed", reason

    def _ended(self, code: int | None) -> None:
        self._process = None
        run, self._run = self._run, None
        if not self._was_stopped and not self._is_closed:
            detail = f": {run.reason}" if run is not None and run.reason else ""
            self._schedule_restart(
                self._failure or f"cloudflared ended with exit code {code}{detail}"
            )
        self._start_or_stop()
        self._notify_stopped()

    def _schedule_restart(self, reason: str) -> None:
        """Schedule a restart."""
        self._listener.names = frozenset()
        self._cancel_timer()
        if self._state == "up" and self._clock.seconds() - self._up_since >= STABLE_AFTER:
            self._failures = 0
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures += 1
        self._state, self._reason = "waiting", reason
        self.log.error("the tunnel is down: {why}; next attempt in {s:g} s", why=reason, s=pause)
        self._set_timer(pause, self._restart)

    def _restart(self) -> None:
        self._timer = None
        self._restarts += 1
        self._state = "off"
        self._start_or_stop()

    def _set_timer(self, seconds: float, then: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(seconds, then)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
