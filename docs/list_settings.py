"""Write the reference of settings, and the comments of the configuration file, from the code.

Both come from the types in ``antigravity/config``, and from the docstrings under their fields; see
``antigravity/config/settings.py``.  Run it with ``python docs/list_settings.py`` after a change.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec import inspect as types

from antigravity.config.paths import dotted
from antigravity.config.raw_configuration import PREFIX
from antigravity.config.schema import default_of, plain, settings_type
from antigravity.config.secret import Secret

HERE: Final = Path(__file__).parent
PAGE: Final = HERE / "settings.rst"
#: The file that ships with the gateway, and its copy for readers of the repository.
FILES: Final = (
    HERE.parent / "antigravity" / "config" / "antigravity.toml",
    HERE.parent / "etc" / "antigravity.toml",
)
#: What follows this line is written by :func:`render`.
MARKER: Final = ".. Written by python docs/list_settings.py; do not edit what follows.\n"
#: The name of a table that the user chooses, on the page and in the file.
NAME: Final = "NAME"
_FILE_NAME: Final = "example"
_SURFACE: Final = HERE.parent / "release" / "surface.json"
_WIDTH: Final = 100
_UNITS: Final = (("d", "day", 86400), ("h", "hour", 3600), ("m", "minute", 60), ("s", "second", 1))
_SIZES: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_LINK: Final = re.compile(r"`[^`<]+ <[^>]+>`_")


class Setting(Struct, frozen=True):
    """A setting.

    ``name`` is dotted, with ``NAME`` for a name of the user's choice.  ``about`` are the paragraphs
    of its description.  ``default`` and ``example`` are as in TOML; ``default`` is empty if the
    setting is required.  ``applied`` and ``since`` complete the sentences of the page.
    """

    name: str
    kind: types.Type
    about: tuple[str, ...]
    default: str
    example: str
    applied: str
    since: str

    @property
    def key(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper().replace(".", "__")


class Table(Struct, frozen=True):
    """A table of settings; ``about`` are the paragraphs of its description."""

    name: str
    about: tuple[str, ...]
    settings: tuple[Setting, ...]


def tables() -> list[Table]:
    """Return all tables that have settings, in the order of the types."""
    return list(_tables(settings_type(), ""))


def _tables(kind: types.StructType, name: str) -> Iterator[Table]:
    own, inner_tables = [], []
    docs = field_docs(kind.cls)
    for field in kind.fields:
        here = f"{name}.{field.name}".lstrip(".")
        inner, _ = plain(field.type)
        if isinstance(inner, types.DictType) and isinstance(inner.value_type, types.StructType):
            inner, here = inner.value_type, f"{here}.{NAME}"
        if isinstance(inner, types.StructType):
            inner_tables.append((inner, here))
        else:
            own.append(_setting(here, field, docs.get(field.name, ())))
    about = paragraphs(kind.cls.__doc__ or "")
    if name and (own or len(inner_tables) > 1):
        yield Table(name, (_without_name(about[0]), *about[1:]), tuple(own))
    for inner, here in inner_tables:
        yield from _tables(inner, here)
    if not name:  # what belongs to no table, such as the settings of plugins
        yield from (Table(each.name, (), (each,)) for each in own)


def _without_name(text: str) -> str:
    """Return the first paragraph of a table's docstring, which begins with its name."""
    _, _, rest = text.partition(": ")
    return rest if rest.startswith("z.ai") else rest[:1].upper() + rest[1:]


def _setting(name: str, field: types.Field, about: tuple[str, ...]) -> Setting:
    example, applied, described = "", "at a reload", []
    for each in about:
        if each.startswith("Example: "):
            example = each.removeprefix("Example: ").strip("`")
        elif each.startswith("Applied: "):
            applied = each.removeprefix("Applied: ").rstrip(".")
        else:
            described.append(each)
    default = "" if field.required else written(default_of(field))
    return Setting(
        name,
        field.type,
        tuple(described),
        default,
        example or derived_example(field),
        applied,
        _since(name),
    )


@cache
def field_docs(kind: type) -> Mapping[str, tuple[str, ...]]:
    """Return the paragraphs of the docstring under each field of a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    (definition,) = tree.body
    assert isinstance(definition, ast.ClassDef)
    found, last = {}, ""
    for each in definition.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            last = each.target.id
        elif isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) and last:
            found[last] = paragraphs(str(each.value.value))
    return found


def paragraphs(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a docstring, each as one line."""
    parts = inspect.cleandoc(text).split("\n\n")
    ends = (re.sub(r"(?<=[.?!])\n", "  ", part.strip()) for part in parts if part.strip())
    return tuple(part.replace("\n", " ") for part in ends)


@cache
def _recorded() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(_SURFACE.read_text("utf-8"))["settings"]
    return found


def _since(name: str) -> str:
    if name.startswith("experimental."):
        return "experimental"
    recorded = _recorded().get(name.replace(f".{NAME}", ".*"), {})
    return f"since {recorded['since']}" if "since" in recorded else "since the next version"


def written(value: Any) -> str:
    """Return a value as TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case Secret():
            return written(value.reveal())
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            pairs = (f"{dotted((name,))} = {written(each)}" for name, each in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return str(value)


def derived_example(field: types.Field) -> str:
    """Return another value than the default, as TOML, for a type where any will do."""
    kind, unit = plain(field.type)
    default = default_of(field)
    match kind:
        case types.BoolType():
            return written(not default)
        case types.LiteralType():
            return written(next(each for each in kind.values if each != default))
        case types.FloatType() if unit == "seconds":
            return written(short_time(2 * default or 600))
        case types.IntType() if unit == "bytes":
            return written(short_size(2 * default))
        case types.IntType():
            return written(2 * default or 10)
    raise ValueError(f"the setting {field.name} needs an example")


def short_time(seconds: float) -> str:
    """Return a time such as ``10m``, in the largest unit that is exact."""
    for unit, _, size in _UNITS:
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


def short_size(size: int) -> str:
    """Return a size such as ``64 MiB``, in the largest unit that is exact."""
    for unit, each in _SIZES:
        if size % each == 0:
            return f"{size // each} {unit}"
    return f"{size} B"


def in_words(seconds: float) -> str:
    """Return a time such as ``10 minutes``."""
    for _, unit, size in _UNITS:
        if seconds % size == 0 and seconds >= size:
            number = seconds / size
            return f"{number:.0f} {unit}{'s' * (number != 1)}"
    return f"{seconds:g} seconds"


def type_in_words(kind: types.Type) -> str:
    """Return a type with its unit and its bounds, as reStructuredText."""
    inner, unit = plain(kind)
    match inner:
        case types.BoolType():
            return "true or false"
        case types.LiteralType():
            choices = [f"``{written(each)}``" for each in inner.values]
            return f"{', '.join(choices[:-1])} or {choices[-1]}"
        case types.IntType() | types.FloatType():
            return _number(inner, unit)
        case types.StrType():
            return "text"
        case types.CustomType():
            return "secret text"
        case types.ListType():
            return f"list of {_plural(type_in_words(inner.item_type))}"
        case types.DictType():
            return f"table of {_plural(type_in_words(inner.value_type))}".removesuffix(" of any")
    return "any"


def _plural(text: str) -> str:
    return re.sub(r"\b(text|list)(?=$| of)", r"\1s", text, count=1)


def _number(kind: types.IntType | types.FloatType, unit: str) -> str:
    place = "configuration.rst#times-and-sizes"
    names = {"seconds": f"`time <{place}>`_", "bytes": f"`size <{place}>`_"}
    whole = "whole number" if isinstance(kind, types.IntType) else "number"
    show = {"seconds": in_words, "bytes": short_size}.get(unit, lambda value: f"{value:g}")
    bounds = ""
    if kind.le is not None:
        bounds = f", from {show(kind.ge or 0)} to {show(kind.le)}"  # type: ignore[operator]
    elif kind.ge:
        bounds = f", at least {show(kind.ge)}"  # type: ignore[operator]
    elif kind.ge == 0 and not unit:
        bounds = ", at least 0"
    return names.get(unit, whole) + bounds


def default_in_words(setting: Setting) -> str:
    """Return the default as TOML, and in words if it is a large number."""
    if not setting.default:
        return "none; the setting is required"
    _, unit = plain(setting.kind)
    more = ""
    if unit == "seconds" and float(setting.default) >= 60:
        more = f" ({in_words(float(setting.default))})"
    elif unit == "bytes" and int(setting.default) >= 1024:
        more = f" ({short_size(int(setting.default))})"
    return f"``{setting.default}``{more}"


def variable_text(setting: Setting) -> str:
    """Return the example as the text of an environment variable."""
    value = tomllib.loads(f"value = {setting.example}")["value"]
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any("," in each or not each for each in value):
        return ",".join(value)
    return setting.example


def render(every: list[Table]) -> str:
    """Return the list of tables and settings as reStructuredText."""
    lines: list[str] = []
    for table in every:
        title = f"``[{table.name}]``"
        lines += ["", title, "-" * len(title)]
        for each in table.about:
            lines += ["", each]
        for setting in table.settings:
            lines += ["", *_render(setting)]
    return "\n".join(lines) + "\n"


def _render(setting: Setting) -> Iterator[str]:
    yield f".. _{setting.name}:"
    yield ""
    yield f"``{setting.name}``"
    for each in setting.about:
        yield f"   {each}"
        yield ""
    variable = f"{setting.variable}={shlex.quote(variable_text(setting))}"
    yield f"   | Type: {type_in_words(setting.kind)}"
    yield f"   | Default: {default_in_words(setting)}"
    yield f"   | Example: ``{setting.key} = {setting.example}``"
    yield f"   | Environment: ``{variable}``"
    yield f"   | Applied: {setting.applied}; {setting.since}"


def render_file(text: str, every: list[Table]) -> str:
    """Return a configuration file whose comments are the descriptions.

    Tables and settings stay as they are, and so do comments that stand above neither, and those of
    examples.
    """
    comments: dict[str, list[str]] = {}
    for table in every:
        comments[f"[{table.name}]"] = _comment(_file_text(table.about))
        for setting in table.settings:
            comments[setting.name] = _comment(setting.about[0], _shown_example(setting))
    lines: list[str] = []
    place = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"#?\[(.+)\]", line):
            place = re.sub(rf"\.{_FILE_NAME}\b", f".{NAME}", found[1])
            is_whole = found[1].endswith(f".{_FILE_NAME}")  # has a comment of its own
            comment = None if is_whole else comments.get(f"[{place}]")
        else:
            found = re.match(r"#([a-z_0-9]+) = ", line)
            comment = comments.get(f"{place}.{found[1]}") if found else None
        if comment:
            while lines and lines[-1].startswith("# "):
                lines.pop()
            lines += comment
        lines.append(line)
    return "\n".join(lines) + "\n"


def _file_text(about: tuple[str, ...]) -> str:
    return "  ".join(each for each in about if not _LINK.search(each))


def _shown_example(setting: Setting) -> str:
    """Return the example if the default tells nothing about the form of values."""
    is_secret = "secret" in type_in_words(setting.kind)
    return setting.example if setting.default in ("[]", "{}", '""') and not is_secret else ""


def _comment(text: str, example: str = "") -> list[str]:
    text = re.sub(r"``((?:antigravity|pip) [^`]+)``", r'"\1"', text).replace("``", "")
    shown = f"# Example: {example}"
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines] + [shown] * bool(example)


def main() -> None:
    """Write the page and the files."""
    every = tables()
    head = PAGE.read_text("utf-8").partition(MARKER)[0]
    PAGE.write_text(head + MARKER + render(every), "utf-8")
    for file in FILES:
        file.write_text(render_file(file.read_text("utf-8"), every), "utf-8")


if __name__ == "__main__":
    main()
