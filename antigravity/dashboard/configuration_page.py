"""The editor of the configuration file: checked before it is written, without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.system import (
    ConfigurationProblem,
    ConfigurationText,
    ISystemControl,
)
from antigravity.ir.errors import ConflictError
from antigravity.web.authentication import DASHBOARD_PATH

ADDRESS: Final = f"{DASHBOARD_PATH}/configuration"


async def build(context: PageContext) -> Page:
    """Return the editor with the text of the file."""
    return _page(context, await _control(context).read_text())


async def check(context: PageContext) -> Page:
    """Return the editor with the problems of the text in it."""
    given = context.read_form(ConfigurationText)
    found = await _control(context).check_text(given)
    return _page(context, given, found.problems, is_valid=found.valid)


async def save(context: PageContext) -> Page | None:
    """Write the text, or return the editor with its problems."""
    given, control = context.read_form(ConfigurationText), _control(context)
    found = await control.check_text(given)
    if not found.valid:
        return _page(context, given, found.problems, status=409)
    try:
        done = await control.write_text(given)
    except ConflictError as error:
        return _page(context, given, found.problems, problem=error.message, status=409)
    name = "configuration.saved" if done.backup else "configuration.unchanged"
    context.session.notice = Notice(text(name, backup=done.backup))
    return None


def _control(context: PageContext) -> ISystemControl:
    control: ISystemControl = context.administration.system
    return control


def _page(
    context: PageContext,
    given: ConfigurationText,
    problems: Sequence[ConfigurationProblem] = (),
    *,
    is_valid: bool = False,
    problem: str = "",
    status: int = 200,
) -> Page:
    return Page(
        "configuration.html",
        {
            "page": "system",
            "given": given,
            "path": _control(context).configuration().file,
            "problems": problems,
            "is_valid": is_valid,
            "problem": problem,
        },
        status=status,
    )
