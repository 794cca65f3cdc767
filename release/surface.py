"""What others build on, as a list: ``python -m release.surface`` writes it to ``surface.json``.

It also writes the page of settings anew, which shows the version that had each of them first.

``docs/stability.rst`` promises what may change in it.  A test fails when something recorded is gone
or different.  What is new is not promised until it is recorded, which a release requires.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pkgutil
import re
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import inspect as types
from zope.interface import Interface
from zope.interface.interface import InterfaceClass, Method

ROOT = Path(__file__).resolve().parents[1]
RECORDED = Path(__file__).with_name("surface.json")
REMEDY = """
Undo the change, or make it on purpose: see docs/stability.rst for what it takes (a fragment of the
kind removal, a time in which the old form still works, the version).  Then record it with:
  .venv/bin/python -m release.surface
"""

#: A part of the surface: what is in it, and how it is now.
Part = dict[str, Any]


def hooks() -> Part:
    """Return the hooks for plugins, with their arguments."""
    from antigravity import hookspecs

    return {
        name: list(inspect.signature(value).parameters)
        for name, value in vars(hookspecs).items()
        if inspect.isfunction(value) and value.__module__ == hookspecs.__name__
    }


def interfaces() -> Part:
    """Return the interfaces that plugins provide or get, with the arguments of their methods.

    These are the ones that the pages for plugin authors name; the others are the gateway's own.
    """
    from antigravity import interfaces as package

    public = set(re.findall(r"\bI[A-Z]\w+", _plugin_pages()))
    found: Part = {}
    for module in pkgutil.iter_modules(package.__path__):
        name = f"{package.__name__}.{module.name}"
        for value in vars(importlib.import_module(name)).values():
            if not isinstance(value, InterfaceClass) or value.__module__ != name:
                continue
            if value.__name__ in public:
                found[f"{name}.{value.__name__}"] = {
                    member: _signature(each) if isinstance(each, Method) else ""
                    for member, each in value.namesAndDescriptions(all=True)
                }
                bases = [base.__name__ for base in value.__bases__ if base is not Interface]
                if bases:
                    found[f"{name}.{value.__name__}"]["(bases)"] = ", ".join(bases)
    return found


def _signature(method: Method) -> str:
    return str(method.getSignatureString())  # type: ignore[no-untyped-call]


def _plugin_pages() -> str:
    pages = (ROOT / "docs" / "plugins.rst", ROOT / "antigravity" / "hookspecs.py")
    return "".join(page.read_text("utf-8") for page in pages)


def names() -> Part:
    """Return what examples for plugin authors import, with fields or arguments in order."""
    found: Part = {}
    pattern = r"^ *from (antigravity[\w.]*) import (\([^)]*\)|.*)$"
    for module, imported in re.findall(pattern, _plugin_pages(), re.MULTILINE):
        for name in re.findall(r"\w+", imported):
            value = getattr(importlib.import_module(module), name)
            fields = getattr(value, "__struct_fields__", None)
            if fields is None and callable(value) and not isinstance(value, InterfaceClass):
                fields = inspect.signature(value).parameters
            found[f"{module}.{name}"] = list(fields or ())
    return found


def settings() -> Part:
    """Return the settings with their types and defaults; ``*`` is a name of the user's choice.

    Those that are experimental are not promised.
    """
    from antigravity.config.schema import settings_type

    every = _settings(settings_type(), "")
    return {name: shown for name, shown in every if not name.startswith("experimental.")}


def _settings(kind: types.StructType, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for field in kind.fields:
        here, inner = f"{path}{field.encode_name}", _bare(field.type)
        if isinstance(inner, types.DictType) and isinstance(inner.value_type, types.StructType):
            here, inner = f"{here}.*", inner.value_type
        if isinstance(inner, types.StructType):
            yield from _settings(inner, f"{here}.")
            continue
        shown: dict[str, Any] = {"type": type_name(field.type)}
        if not field.required:
            default = field.default
            if default is msgspec.NODEFAULT:
                default = field.default_factory()
            shown["default"] = msgspec.to_builtins(default, enc_hook=str)
        yield here, shown


def _bare(kind: types.Type) -> types.Type:
    return kind.type if isinstance(kind, types.Metadata) else kind


def type_name(kind: types.Type) -> str:
    """Return a type with its bounds, in words of its own that no other library chooses."""
    match kind:
        case types.Metadata():
            unit = (kind.extra or {}).get("unit")
            return type_name(kind.type) + (f" ({unit})" if unit else "")
        case types.UnionType():
            return " | ".join(sorted(type_name(each) for each in kind.types))
        case types.LiteralType():
            return " | ".join(json.dumps(value) for value in kind.values)
        case types.DictType():
            return f"table of {type_name(kind.value_type)}"
        case types.ListType() | types.VarTupleType() | types.SetType() | types.FrozenSetType():
            return f"list of {type_name(kind.item_type)}"
        case types.StructType() | types.CustomType():
            return kind.cls.__name__
    name = type(kind).__name__.removesuffix("Type").lower()
    bounds = [
        f" {bound} {value}"
        for bound in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
        if (value := getattr(kind, bound, None)) is not None
    ]
    return name + ",".join(bounds)


def admin_routes() -> Part:
    """Return the requests of the admin API, from the page that a test compares with the gateway."""
    page = (ROOT / "docs" / "admin-api.rst").read_text("utf-8")
    return dict.fromkeys(re.findall(r"^   \* - ``([A-Z]+ /admin/\S*)``$", page, re.MULTILINE), "")


def metrics() -> Part:
    """Return the metrics with their types and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    from antigravity.metrics.exposition import render
    from antigravity.metrics.requests import RequestMetrics
    from tests.metrics.gateway_state import STATE
    from tests.support.records import make_record

    numbers = RequestMetrics()
    numbers.add(make_record(1))
    numbers.add(make_record(2, outcome="error", error="ServerError: no", first_byte=None))
    _, text = render(numbers, STATE, old_names=True)
    found: Part = {}
    for family in text_string_to_metric_families(text.decode()):
        if family.name.startswith(("antigravity_", "gen_ai_")):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[family.name] = {"type": family.type, "labels": sorted(labels)}
    return found


def migrations() -> Part:
    """Return the scripts that make the tables, with their SHA-256: they never change."""
    from antigravity.keys.postgres_tables import MIGRATIONS

    folder = ROOT / "antigravity" / "ledger" / "sql"
    scripts = {path.name: path.read_bytes() for path in folder.glob("schema_*.sql")}
    for number, script in enumerate(MIGRATIONS, 1):
        scripts[f"keys_{number}.sql"] = script.encode()
    return {name: hashlib.sha256(script).hexdigest() for name, script in scripts.items()}


def commands() -> Part:
    """Return the commands with their arguments and options."""
    from antigravity.cli.main import antigravity

    return dict(_commands(antigravity, "antigravity"))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, list[str]]]:
    # The context of a completion: plugins are not loaded.
    context = click.Context(command, info_name=name, resilient_parsing=True)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            if (inner := command.get_command(context, each)) is not None:
                yield from _commands(inner, f"{name} {each}")
        return
    spelled = (
        word
        for each in command.params
        for word in (
            (*each.opts, *each.secondary_opts)
            if isinstance(each, click.Option)
            else (str(each.human_readable_name),)
        )
    )
    yield name, sorted(spelled)


PARTS = {
    "hooks": hooks,
    "interfaces": interfaces,
    "names": names,
    "settings": settings,
    "admin routes": admin_routes,
    "metrics": metrics,
    "migrations": migrations,
    "commands": commands,
}


def collect() -> dict[str, Part]:
    """Return the whole surface as it is now."""
    return {name: part() for name, part in PARTS.items()}


def read_recorded() -> dict[str, Part]:
    """Return the surface as it was recorded."""
    found: dict[str, Part] = json.loads(RECORDED.read_text("utf-8"))
    return found


def broken(recorded: Mapping[str, Part], now: Mapping[str, Part]) -> list[str]:
    """Return what was recorded and is gone or different, a line each.

    New members of an interface are a change, because other classes provide it.  New options of a
    command, new labels of a metric, and new fields and arguments after the others are not.
    """
    lines = []
    for part, entries in recorded.items():
        for name, old in entries.items():
            new = now.get(part, {}).get(name)
            if new is None:
                lines.append(f"{part}: {name} is gone")
            elif part == "commands":
                if lost := set(old) - set(new):
                    lines.append(f"{part}: {name} has lost {', '.join(sorted(lost))}")
            elif part == "names" and old == new[: len(old)]:
                continue
            elif part == "settings":
                was = {key: value for key, value in old.items() if key != "since"}
                if new != was:
                    lines.append(f"{part}: {name} was {was}, is {new}")
            elif part == "metrics" and old["type"] == new["type"]:
                if lost := set(old["labels"]) - set(new["labels"]):
                    lines.append(f"{part}: {name} has lost {', '.join(sorted(lost))}")
            elif new != old:
                lines.append(f"{part}: {name} was {old}, is {new}")
    return lines


def unrecorded(recorded: Mapping[str, Part], now: Mapping[str, Part]) -> list[str]:
    """Return what is new and not recorded, a line each."""
    return [
        f"{part}: {name}"
        for part, entries in now.items()
        for name in entries
        if name not in recorded.get(part, {})
    ]


def record() -> None:
    """Write the surface as it is now, and with each setting the version that had it first."""
    from antigravity.version import VERSION

    before, now = read_recorded(), collect()
    for name, shown in now["settings"].items():
        shown["since"] = before["settings"].get(name, {}).get("since", VERSION)
    text = json.dumps(now, indent=1, sort_keys=True, ensure_ascii=False)
    RECORDED.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    record()
    # The page of settings shows the versions that are recorded.
    runpy.run_path(str(ROOT / "docs" / "list_settings.py"), run_name="__main__")
