"""The forms of the dashboard, each with the token of its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from antigravity.dashboard.sessions import Session
from antigravity.dashboard.texts import text
from antigravity.ir.errors import InvalidRequestError, PermissionDeniedError
from antigravity.web.request import head_of, pop_small_body

_MOST_FIELDS: Final = 50


def read_form(request: Any) -> dict[str, str]:
    """Return the fields of a form.

    :raises InvalidRequestError: if the body is not a form.
    """
    return parse_form(pop_small_body(request))


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form.

    :raises InvalidRequestError: if it is not a form.
    """
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidRequestError("The body is not a form.") from None
    return {name: values[-1] for name, values in found.items()}


def check_token(request: Any, session: Session, form: Mapping[str, str]) -> None:
    """Check that a form is from this session.

    :raises PermissionDeniedError: if it lacks the session's token.
    """
    sent = head_of(request).header("x-csrf-token") or form.get("csrf", "")
    if not session.permits(sent):
        raise PermissionDeniedError(text("sign_in.bad_csrf"), code="bad_csrf_token")
