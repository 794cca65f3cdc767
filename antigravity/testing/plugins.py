"""Load one plugin like the gateway, but fail on any problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from antigravity.plugin_registry import Registry
from antigravity.plugins import PluginHost, PluginInfo
from antigravity.testing.checks import check_registered


class LoadedPlugin(Struct, frozen=True):
    """A plugin that passed all checks.

    ``info`` lists what it registered, ``registry`` contains that and the built-in objects,
    ``host`` calls its observers: ``host.notify("exchange_finished", record=record)``.
    """

    info: PluginInfo
    registry: Registry
    host: PluginHost


def load_plugin(
    plugin: object, settings: Mapping[str, Any] | None = None, *, name: str = "plugin-under-test"
) -> LoadedPlugin:
    """Load a module or object as a plugin, with the built-in ones and no other.

    What it registers is checked like by ``antigravity plugins check``.

    :param settings: its table ``[plugins.NAME]``.
    :raises AssertionError: with all problems that a gateway would report.
    """
    host = PluginHost({name: settings or {}})
    host.load(extra=[(name, plugin)], installed=False)
    if host.problems:
        raise AssertionError("; ".join(f"{p.plugin}: {p.reason}" for p in host.problems))
    info = _info(host, name)
    faults = [problem.reason for problem in check_registered(host.registry, [info])]
    if faults:
        raise AssertionError("; ".join(faults))
    return LoadedPlugin(info, host.registry, host)


def _info(host: PluginHost, name: str) -> PluginInfo:
    (info,) = (info for info in host.plugins() if info.name == name)
    if not info.hooks:
        raise AssertionError(f"{name} implements no hook; mark its functions with hookimpl")
    return info
