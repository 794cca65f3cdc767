"""Write the reference of hooks for plugins from the hooks, and from the types that they name.

Run it with ``python docs/list_hooks.py`` after a change of a hook or of such a type.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from zope.interface.interface import InterfaceClass, Method

PAGE: Final = Path(__file__).parent / "hooks.rst"
#: What follows this line is written by :func:`render`.
MARKER: Final = ".. Written by python docs/list_hooks.py; do not edit what follows.\n"
_PACKAGES: Final = ("antigravity.interfaces", "antigravity.ir")
_NAME: Final = re.compile(r"\b[A-Z]\w+")


def hooks() -> Mapping[str, Callable[..., Any]]:
    """Return the hooks by name, in the order of their module."""
    from antigravity import hookspecs

    mark = f"{hookspecs.GROUP}_spec"
    return {name: each for name, each in vars(hookspecs).items() if hasattr(each, mark)}


def types() -> Mapping[str, type]:
    """Return the interfaces and classes that hooks can name."""
    found = {}
    for package in map(importlib.import_module, _PACKAGES):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                is_type = isinstance(value, InterfaceClass) or inspect.isclass(value)
                if is_type and value.__module__ == module.name:
                    found[name] = value
    return found


def render() -> str:
    """Return the list of hooks, and of the types that they name."""
    known = types()
    lines: list[str] = []
    named: dict[str, type] = {}
    for name, hook in hooks().items():
        used = _types_of(hook, known)
        named |= used
        lines += ["", *_hook(name, hook, used)]
    lines += ["", "Objects and interfaces", "----------------------", ""]
    lines += ["What hooks register, and what they get.", ""]
    for name, kind in named.items():
        lines += ["", name, "~" * len(name), "", f"In ``{kind.__module__}``."]
        for text in _paragraphs(kind.__doc__ or ""):
            lines += ["", text]
        lines += ["", *_members(kind)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _types_of(hook: Callable[..., Any], known: Mapping[str, type]) -> dict[str, type]:
    """Return the types that a hook's docstring or signature names, in their order."""
    text = f"{hook.__doc__} {inspect.signature(hook)}"
    return {name: known[name] for name in _NAME.findall(text) if name in known}


def _hook(name: str, hook: Callable[..., Any], used: Mapping[str, type]) -> Iterator[str]:
    signature = inspect.signature(hook)
    arguments = ", ".join(signature.parameters)
    yield name
    yield "-" * len(name)
    yield ""
    yield f"``{name}{str(signature).replace(chr(39), '')}``"
    for text in _paragraphs(hook.__doc__ or ""):
        yield ""
        yield re.sub(r"\b(\w+)\b", lambda word: _link(word[0], used), text)
    given = [_link(each, used) for each in used if each in str(signature)]
    if given:
        yield ""
        yield f"It gets {' and '.join(given)}."
    yield ""
    anchor = re.sub(r"[^a-z]+", "-", f"{name}({arguments})").strip("-")
    yield f"`The guide to it <plugins.rst#{anchor}>`_."


def _link(word: str, used: Mapping[str, type]) -> str:
    return f"`{word}`_" if word in used else word


def _members(kind: type) -> Iterator[str]:
    """Yield the attributes and methods of a type, a line each."""
    if isinstance(kind, InterfaceClass):
        for name, member in kind.namesAndDescriptions(all=True):
            yield f"* {_member(name, member)}"
        return
    annotations: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        annotations |= inspect.get_annotations(each)
    for name, annotation in annotations.items():
        if not name.startswith("_") and "ClassVar" not in str(annotation):
            yield f"* ``{name}: {annotation}``"


def _member(name: str, member: Any) -> str:
    text = inspect.cleandoc(member.__doc__ or "")
    about, _, kind = text.partition(":type: ")
    shown = f"{name}{member.getSignatureString()}" if isinstance(member, Method) else name
    if kind:
        shown += f": {' '.join(kind.split())}"
    words = "  ".join(_paragraphs(about))
    return f"``{shown}``: {words}" if words else f"``{shown}``"


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring, each in one line, without what only Sphinx knows."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"``\1``", inspect.cleandoc(text))
    text = re.sub(r"^:raises (\w+): ", r"\nIt raises ``\1`` ", text, flags=re.MULTILINE)
    text = re.sub(r"^:param (\w+): ", r"\n``\1``: ", text, flags=re.MULTILINE)
    text = re.sub(r"^:returns?: ", r"\nIt returns ", text, flags=re.MULTILINE)
    parts = (re.sub(r"(?<=[.?!])\n\s*", "  ", part.strip()) for part in re.split(r"\n\s*\n", text))
    return [re.sub(r"\n\s*", " ", part) for part in parts if part]


def main() -> None:
    """Write the list."""
    head = PAGE.read_text("utf-8").partition(MARKER)[0]
    PAGE.write_text(head + MARKER + render(), "utf-8")


if __name__ == "__main__":
    main()
