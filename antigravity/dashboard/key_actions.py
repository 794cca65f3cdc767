"""The forms that make and change keys of clients.  Each change is one of the admin API, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec

from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.keys import ClientKeyView, IKeyControl, KeyChange, NewKey
from antigravity.ir.errors import ConflictError, InvalidRequestError, NotFoundError
from antigravity.web.authentication import DASHBOARD_PATH

KEYS: Final = f"{DASHBOARD_PATH}/keys"
#: The fields of the form: lists (by commas or lines), numbers, and texts.
_LISTS: Final = ("models", "upstreams", "endpoints", "budgets", "addresses", "times")
_NUMBERS: Final = (
    "requests_per_minute",
    "tokens_per_minute",
    "parallel_requests",
    "max_addresses",
)
_TEXTS: Final = ("label", "expires", "time_zone", "unpriced")
_LONGEST_NUMBER: Final = 10


async def build_add(context: PageContext) -> Page:
    """Return the form for a new key."""
    return _form("", {"unpriced": "refuse"})


async def build_edit(context: PageContext, key: str) -> Page:
    """Return the form with the rules of a key."""
    found = _find(context, key)
    rules: dict[str, Any] = msgspec.to_builtins(found)
    values = {name: ", ".join(rules[name]) for name in _LISTS}
    values |= {name: "" if rules[name] is None else str(rules[name]) for name in _NUMBERS}
    values |= {name: rules[name] for name in _TEXTS}
    return _form(found.id, values)


async def build_remove(context: PageContext, key: str) -> Page:
    """Return the page that asks whether to remove a key."""
    return Page("key_remove.html", {"page": "keys", "key": _find(context, key)})


async def add(context: PageContext) -> Page:
    """Make a key and show its secret once; show the form again if a value is wrong."""
    try:
        made = await _control(context).add(_read(context, NewKey))
    except (InvalidRequestError, ConflictError) as error:
        return _form("", context.form, error.message)
    return _secret(made.label, made.key)


async def edit(context: PageContext, key: str) -> Page | None:
    """Change the rules of a key; show the form again if a value is wrong."""
    found = _find(context, key)
    try:
        changed = await _control(context).change(found.id, _read(context, KeyChange))
    except (InvalidRequestError, ConflictError) as error:
        return _form(found.id, context.form, error.message)
    _tell(context, "keys.changed_now", changed.label)
    return None


async def remove(context: PageContext, key: str) -> None:
    """Remove a key."""
    found = _find(context, key)
    await _control(context).remove(found.id)
    _tell(context, "keys.removed_now", found.label)


async def change(context: PageContext, key: str, action: str) -> Page | None:
    """Change a key as the last part of the path says.

    :raises NotFoundError: if there is no such change.
    """
    found = _ACTIONS.get(action)
    if found is None:
        raise NotFoundError("There is no such change of keys.")
    return await found(context, _find(context, key))


async def _enable(context: PageContext, key: ClientKeyView) -> None:
    await _control(context).switch(key.id, True)
    _tell(context, "keys.enabled_now", key.label)


async def _disable(context: PageContext, key: ClientKeyView) -> None:
    await _control(context).switch(key.id, False)
    _tell(context, "keys.disabled_now", key.label)


async def _rotate(context: PageContext, key: ClientKeyView) -> Page:
    made = await _control(context).rotate(key.id, "24h")
    return _secret(made.label, made.key)


#: The changes of one key by the last part of their paths.
_ACTIONS: Final[
    Mapping[str, Callable[[PageContext, ClientKeyView], Coroutine[Any, Any, Page | None]]]
] = {"enable": _enable, "disable": _disable, "rotate": _rotate}


def _read(context: PageContext, kind: type[Any]) -> Any:
    """Return the fields of the form as the body of an admin request.

    :raises InvalidRequestError: if one is wrong.
    """
    form = context.form
    rules: dict[str, Any] = {
        name: [each.strip() for each in re.split(r"[,\n]", form.get(name, "")) if each.strip()]
        for name in _LISTS
    }
    for name in _NUMBERS:
        number = form.get(name, "").strip()
        is_number = number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER
        rules[name] = int(number) if is_number else number or None
    rules |= {name: form.get(name, "").strip() for name in _TEXTS}
    rules["unpriced"] = rules["unpriced"] or "refuse"
    try:
        return msgspec.convert(rules, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The form is wrong: {error}.") from None


def _form(key: str, values: Mapping[str, str], problem: str = "") -> Page:
    status = 400 if problem else 200
    given = {name: values.get(name, "") for name in (*_LISTS, *_NUMBERS, *_TEXTS)}
    return Page(
        "key_form.html", {"page": "keys", "key": key, "given": given, "problem": problem}, status
    )


def _secret(label: str, secret: str) -> Page:
    """Return the page that shows a secret; browsers must not keep it."""
    values = {"page": "keys", "label": label, "secret": secret}
    return Page("key_secret.html", values, headers=(("Cache-Control", "no-store"),))


def _find(context: PageContext, key: str) -> ClientKeyView:
    for each in _control(context).views():
        if each.id == key:
            return each
    raise NotFoundError(f"The key {key[:100]!r} does not exist.")


def _control(context: PageContext) -> IKeyControl:
    control: IKeyControl = context.administration.keys
    return control


def _tell(context: PageContext, name: str, label: str) -> None:
    context.session.notice = Notice(text(name, label=label), False)
