"""Pages from templates; all values are escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antigravity.dashboard.formats import (
    byte_size,
    clock_time,
    duration,
    json_text,
    middle,
    money,
    number,
    pretty,
    setting_text,
    short_number,
    span,
)
from antigravity.dashboard.texts import text, text_or

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page.  The first call loads jinja2, so it should be made in a thread."""
    return str(_environment().get_template(template).render(values))


def render_text(template: str, values: Mapping[str, Any]) -> Markup:
    """Return what the text of a template of a plugin makes of values, which are escaped."""
    from markupsafe import Markup

    return Markup(_compiled(template).render(values))  # noqa: S704 - the template has escaped them


@lru_cache(64)
def _compiled(template: str) -> Template:
    return _environment().from_string(template)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from antigravity.dashboard.files import address_of

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(t=text, text_or=text_or, file=address_of)
    filters: dict[str, Callable[..., str]] = {
        "number": number,
        "short": short_number,
        "money": money,
        "bytes": byte_size,
        "setting": setting_text,
        "duration": duration,
        "span": span,
        "middle": middle,
        "clock": clock_time,
        "json": json_text,
        "pretty": pretty,
    }
    made.filters.update(filters)
    return made
