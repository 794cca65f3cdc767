"""A gateway's installation as its operator sees it, and the text of its configuration."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredLock
from zope.interface import implementer

from antigravity.app.configuration_editor import ConfigurationEditor
from antigravity.app.configuration_status import ConfigurationStatus
from antigravity.app.configuration_text import PreparedText, read_text
from antigravity.app.runtime import Runtime
from antigravity.config.display import flatten, masked
from antigravity.config.paths import dotted
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.system import (
    ConfigurationChanged,
    ConfigurationCheck,
    ConfigurationText,
    ConfigurationView,
    DoctorReport,
    ISystemControl,
    PluginFault,
    PluginView,
    SettingView,
    StoredItem,
    SystemReport,
)
from antigravity.version import VERSION
from antigravity.web.listener import Listener

#: Files that are looked at for their sizes, at most.
_MOST_FILES: Final = 20_000


class Installation(Protocol):
    """A gateway, as far as its installation is concerned."""

    status: ConfigurationStatus

    @property
    def runtime(self) -> Runtime:
        """What was built from the configuration in force."""

    @property
    def listener(self) -> Listener | None:
        """The listener with the open ports."""

    @property
    def is_demo(self) -> bool:
        """Whether a simulator serves every model."""


@implementer(ISystemControl)
class SystemControl:
    """The operator's view of an installation; see :class:`ISystemControl`.

    :param tools: returns the names of the tools of the MCP endpoint.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path,
        gateway: Installation,
        editor: ConfigurationEditor,
        tools: Callable[[], list[str]],
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._gateway = gateway
        self._editor = editor
        self._tools = tools
        self._started, self._began = time.time(), reactor.seconds()
        self._examining = DeferredLock()

    def report(self) -> Deferred[SystemReport]:
        """Return a Deferred with versions, listeners, plugins, and sizes of what is stored."""
        sizes: Deferred[list[StoredItem]] = call_in_thread(self._reactor, stored_items, self._home)
        return sizes.addCallback(self._report)

    def configuration(self) -> ConfigurationView:
        """Return the settings in force."""
        status, source = self._gateway.status, self._gateway.status.source
        settings = self._gateway.runtime.settings if source is None else source.settings
        state = status.state()
        shown = [
            SettingView(
                dotted(path),
                value,
                "default" if source is None else str(source.raw.origin(path) or "default"),
            )
            for path, value in flatten(masked(settings))
        ]
        return ConfigurationView(state.file, state.problem, shown)

    def read_text(self) -> Deferred[ConfigurationText]:
        """Return a Deferred with the text of the configuration file, without secrets."""
        return call_in_thread(self._reactor, read_text, self._gateway.status.source)

    def check_text(self, text: ConfigurationText) -> Deferred[ConfigurationCheck]:
        """Return a Deferred with the problems of a text; nothing is written."""
        prepared = self._prepared(text)
        checked = call_in_thread(self._reactor, prepared.check, self._gateway.status.source)
        return checked.addCallback(lambda _: _checked(prepared))

    def write_text(self, text: ConfigurationText) -> Deferred[ConfigurationChanged]:
        """Return a Deferred that fires when a text is written and in force."""
        prepared = self._prepared(text)
        written: Deferred[Any] = self._editor.write(prepared.prepare)
        return written.addCallback(
            lambda _: ConfigurationChanged(prepared.version, prepared.backup, prepared.problems)
        )

    def examine(self) -> Deferred[DoctorReport]:
        """Return a Deferred with the findings of ``antigravity doctor``."""
        source = self._gateway.status.source
        file = None if source is None or not source.raw.has_file else source.file
        return self._examining.run(call_in_thread, self._reactor, _examine, self._home, file)

    def _prepared(self, text: ConfigurationText) -> PreparedText:
        return PreparedText(text, self._gateway.runtime.registry.known_names)

    def _report(self, storage: list[StoredItem]) -> SystemReport:
        host, listener = self._gateway.runtime.configuration.plugins, self._gateway.listener
        started = datetime.fromtimestamp(self._started, UTC)
        return SystemReport(
            version=VERSION,
            python=platform.python_version(),
            platform=platform.platform(),
            started=started.isoformat(timespec="seconds"),
            uptime=round(self._reactor.seconds() - self._began, 3),
            demo=self._gateway.is_demo,
            home=str(self._home),
            listeners=[] if listener is None else [_address(each) for each in listener.ports],
            storage=storage,
            plugins=[
                PluginView(
                    each.name,
                    each.builtin,
                    list(each.hooks),
                    {name: list(found) for name, found in each.registered.items()},
                )
                for each in host.plugins()
            ],
            plugin_faults=[PluginFault(each.plugin, each.reason) for each in host.problems],
            tools=self._tools(),
        )


def stored_items(home: Path) -> list[StoredItem]:
    """Return the sizes of the files and folders in a home, largest first."""
    found = []
    folders = [(home, ""), (home / "state", "state/")]
    left = _MOST_FILES
    for folder, prefix in folders:
        for entry in _entries(folder):
            if not prefix and entry.name == "state":
                continue
            size = 0
            for each in _files(entry):
                size += each
                left -= 1
                if left <= 0:
                    break
            found.append(StoredItem(f"{prefix}{entry.name}", size))
    return sorted(found, key=lambda item: (-item.bytes, item.name))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _files(entry: os.DirEntry[str]) -> Iterator[int]:
    """Yield the size of a file, or of each file in a folder; links are not followed."""
    try:
        if entry.is_dir(follow_symlinks=False):
            for each in _entries(Path(entry.path)):
                yield from _files(each)
        else:
            yield entry.stat(follow_symlinks=False).st_size
    except OSError:
        return


def _address(port: Any) -> str:
    """Return the address of an open port."""
    address = port.getHost()
    host = getattr(address, "host", None)
    if host is None:
        name = getattr(address, "name", None)
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or address)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def _checked(prepared: PreparedText) -> ConfigurationCheck:
    valid = not any(each.severity == "error" for each in prepared.problems)
    return ConfigurationCheck(valid, prepared.problems)


def _examine(home: Path, file: Path | None) -> DoctorReport:
    """Run the checks of the command, which wait for programs and for the gateway itself."""
    from antigravity.cli.doctor import examine
    from antigravity.cli.invocation import Invocation

    findings = list(examine(Invocation(home, file)))
    return DoctorReport(all(each.status != "failed" for each in findings), findings)
