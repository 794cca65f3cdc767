"""What the operator sees of a gateway's installation, and the text of its configuration."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface


class PluginView(Struct, frozen=True):
    """A loaded plugin, the hooks that it implements, and the names of what it registered."""

    name: str
    builtin: bool
    hooks: list[str]
    registered: dict[str, list[str]]


class PluginFault(Struct, frozen=True):
    """A plugin, or something that it registered, that was left out, and why."""

    plugin: str
    reason: str


class StoredItem(Struct, frozen=True):
    """A file or folder of the gateway's home, and its size in bytes."""

    name: str
    bytes: int


class SystemReport(Struct, frozen=True, kw_only=True):
    """An installation: versions, where it listens, what it stores, and what is loaded.

    ``started`` is in ISO 8601, ``uptime`` in seconds.  ``tools`` are those of the MCP endpoint.
    """

    version: str
    python: str
    platform: str
    started: str
    uptime: float
    demo: bool
    home: str
    listeners: list[str]
    storage: list[StoredItem]
    plugins: list[PluginView]
    plugin_faults: list[PluginFault]
    tools: list[str]


class SettingView(Struct, frozen=True):
    """A setting in force, masked if it is secret, and where its value comes from."""

    key: str
    value: Any
    source: str


class ConfigurationProblem(Struct, frozen=True):
    """A problem of a configuration, without the value of a secret; ``key`` is dotted."""

    message: str
    key: str = ""
    place: str = ""
    line: int | None = None
    allowed: list[str] = []
    suggestion: str = ""
    severity: Literal["error", "warning"] = "error"


class ConfigurationView(Struct, frozen=True):
    """The configuration in force, and why a newer one is not; empty if it is."""

    file: str | None
    problem: str
    settings: list[SettingView]


class ConfigurationText(Struct, frozen=True):
    """The text of the configuration file, in which placeholders stand for secrets.

    ``version`` names the content of the file that the text was made from.
    """

    text: str
    version: str

    def __repr__(self) -> str:
        return f"<ConfigurationText {self.version}>"


class ConfigurationCheck(Struct, frozen=True):
    """Whether a text can be used as the configuration, and its problems."""

    valid: bool
    problems: list[ConfigurationProblem]


class ConfigurationChanged(Struct, frozen=True):
    """A configuration that was written and is in force, and its warnings.

    ``backup`` is the file with the text that it replaced.
    """

    version: str
    backup: str
    problems: list[ConfigurationProblem]


class Finding(Struct, frozen=True):
    """The result of one check, and the remedy."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    remedy: str = ""


class DoctorReport(Struct, frozen=True):
    """What the checks of ``antigravity doctor`` have found."""

    healthy: bool
    findings: list[Finding]


class ISystemControl(Interface):
    """Shows an installation, and changes the text of its configuration file."""

    def report() -> Deferred[SystemReport]:
        """Return a Deferred with versions, listeners, plugins, and sizes of what is stored."""

    def configuration() -> ConfigurationView:
        """Return the settings in force."""

    def read_text() -> Deferred[ConfigurationText]:
        """Return a Deferred with the text of the configuration file, without secrets.

        It fails with a ``ConflictError`` if there is no file, or it cannot be shown.
        """

    def check_text(text: ConfigurationText) -> Deferred[ConfigurationCheck]:
        """Return a Deferred with the problems of a text; nothing is written.

        It fails with a ``ConflictError`` if the file is not the one the text was made from.
        """

    def write_text(text: ConfigurationText) -> Deferred[ConfigurationChanged]:
        """Return a Deferred that fires when a text is written and in force.

        It fails with a ``ConflictError`` if it cannot be used; the file is then as before.
        """

    def examine() -> Deferred[DoctorReport]:
        """Return a Deferred with the findings of ``antigravity doctor``."""
