"""Load plugins, call their hooks, and check what they register.

The built-in protocols and upstreams are plugins too.  A plugin that fails is reported by its name
and left out; it never stops the gateway.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import pluggy
from msgspec import Struct
from txaio import tx as txaio

from antigravity import hookspecs
from antigravity.logs import make_logger
from antigravity.plugin_registry import Registry

#: The built-in plugins, in the order in which they register.
DEFAULT_PLUGINS: Final = {
    "openai": "antigravity.builtin.openai",
    "anthropic": "antigravity.builtin.anthropic",
    "gemini": "antigravity.builtin.gemini",
    "codeassist": "antigravity.builtin.codeassist",
    "selection": "antigravity.builtin.selection",
    "state": "antigravity.builtin.state",
    "keys": "antigravity.builtin.keys",
    "claude-code": "antigravity.builtin.claude_code",
    "opencode": "antigravity.builtin.opencode",
    "gateway-tools": "antigravity.builtin.gateway_tools",
}
#: The names of all hooks.
HOOKS: Final = tuple(
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")
)
_PACKAGE: Final = Path(__file__).parent
_SITE_FOLDERS: Final = frozenset(("site-packages", "dist-packages"))


class PluginProblem(Struct, frozen=True):
    """A plugin, or an object that it registered, that was left out, and the reason."""

    plugin: str
    reason: str


class PluginInfo(Struct, frozen=True):
    """A loaded plugin.

    ``hooks`` are those that it implements.  ``registered`` has the names of what it registered, by
    hook without ``register_``: ``info.registered["upstreams"]``.
    """

    name: str
    builtin: bool
    hooks: tuple[str, ...]
    registered: Mapping[str, tuple[str, ...]]


class PluginHost:
    """The plugins of one configuration.

    ``settings`` is the table ``[plugins]``: one table for each plugin, and ``blocked``.
    """

    log = make_logger()

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._builtin: set[str] = set()
        #: The names that were registered, by plugin and hook.
        self._registered: dict[tuple[str, str], dict[str, None]] = {}
        self.problems: list[PluginProblem] = []
        self.registry = Registry()

    @property
    def blocked(self) -> frozenset[str]:
        """The names of the plugins that the configuration switches off."""
        return frozenset(self._settings.get("blocked", ()))

    def load(
        self,
        *,
        extra: Iterable[tuple[str, object]] = (),
        installed: bool = True,
        hooks: Iterable[str] | None = None,
    ) -> None:
        """Load the built-in, the ``installed`` and the ``extra`` plugins, and call their hooks.

        :param hooks: the only hooks to call.
        """
        for name, module in DEFAULT_PLUGINS.items():
            self._builtin.add(name)
            self._load(name, partial(importlib.import_module, module))
        if installed:
            for point in entry_points(group=hookspecs.GROUP):
                self._load(point.name, point.load)
        for name, plugin in extra:
            self._load(name, partial(_identity, plugin))
        for hook in self.registry.hooks if hooks is None else hooks:
            for name, plugin in self._loaded():
                self._call(name, plugin, hook)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return the loaded plugins."""
        return tuple(
            PluginInfo(
                name,
                name in self._builtin,
                tuple(sorted(c.name for c in self._manager.get_hookcallers(plugin) or ())),
                {
                    hook.removeprefix("register_"): tuple(self._registered.get((name, hook), ()))
                    for hook in self.registry.hooks
                },
            )
            for name, plugin in self._loaded()
        )

    def is_watched(self, hook: str) -> bool:
        """Return whether any plugin implements ``hook``."""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def notify(self, hook: str, **arguments: object) -> None:
        """Call the observers of ``hook``, which can return a Deferred or a coroutine.

        Their results are not awaited; failures are logged and ignored.
        """
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            given = {name: arguments[name] for name in implementation.argnames}
            future = txaio.as_future(implementation.function, **given)
            name = implementation.plugin_name
            txaio.add_callbacks(future, None, partial(self._observer_failed, name, hook))

    def _loaded(self) -> list[tuple[str, object]]:
        return [(name, p) for name, p in self._manager.list_name_plugin() if p is not None]

    def _load(self, name: str, load: Callable[[], object]) -> None:
        if name in self.blocked:
            return
        try:
            plugin = load()
            if self._manager.has_plugin(name):
                raise ValueError("another plugin has the same name")
            unknown = "; ".join(_unknown_hooks(plugin))
            if unknown:
                raise ValueError(unknown)
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            if self._manager.has_plugin(name) and self._manager.get_plugin(name) is plugin:
                self._manager.unregister(name=name)
            self._report(name, f"could not be loaded: {describe_error(error)}")
            return
        for problem in _unmarked_hooks(plugin):
            self._report(name, problem)

    def _call(self, name: str, plugin: object, hook: str) -> None:
        """Call one plugin's hook, and check and store what it registers one by one."""
        names = self._registered.setdefault((name, hook), {})

        def register(*candidate: Any) -> None:
            try:
                added = self.registry.hooks[hook](*candidate)
            except (ValueError, TypeError, AttributeError) as error:
                self._report(name, f"{hook}: {error}")
                return
            names[added] = None
            self.registry.owners[hook, added] = name

        others = [p for p in self._manager.get_plugins() if p is not plugin]
        caller = self._manager.subset_hook_caller(hook, others)
        settings = self._settings.get(name, {})
        try:
            caller(register=register, settings=settings)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._report(name, f"{hook} failed: {describe_error(error)}")

    def _report(self, plugin: str, reason: str) -> None:
        self.problems.append(PluginProblem(plugin, reason))
        self.log.error("plugin {plugin} {reason}", plugin=plugin, reason=reason)

    def _observer_failed(self, plugin: str, hook: str, failure: Any) -> None:
        self.log.error(
            "plugin {plugin}: {hook} failed: {error}",
            plugin=plugin,
            hook=hook,
            error=failure.value,
        )


def _identity(plugin: object) -> object:
    return plugin


def describe_error(error: BaseException) -> str:
    """Return type, message and, if it was raised in a plugin, file and line of an exception."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_in_plugin(f)]
    if not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _is_in_plugin(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is neither the gateway's nor the standard library's."""
    if frame.filename.startswith("<"):
        return False
    file = Path(frame.filename)
    if file.is_relative_to(_PACKAGE):
        return False
    import sysconfig  # large, and needed for failed plugins only

    standard_library = Path(sysconfig.get_path("stdlib"))
    return not file.is_relative_to(standard_library) or not _SITE_FOLDERS.isdisjoint(file.parts)


def _unknown_hooks(plugin: object) -> Iterator[str]:
    """Yield a message for each marked function whose name is not a hook's."""
    for name in dir(plugin):
        if name not in HOOKS and hasattr(_attribute(plugin, name), f"{hookspecs.GROUP}_impl"):
            near = get_close_matches(name, HOOKS, 1)
            yield f"there is no hook {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _unmarked_hooks(plugin: object) -> Iterator[str]:
    """Yield a message for each function that has the name of a hook but is not marked."""
    for name in HOOKS:
        function = _attribute(plugin, name)
        if callable(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            yield f"{name} is not marked with hookimpl, so it is never called"


def _attribute(plugin: object, name: str) -> object:
    """Return an attribute, or ``None`` if reading it fails."""
    try:
        return getattr(plugin, name, None)
    except Exception:  # noqa: BLE001 - a property of a plugin may raise anything
        return None
