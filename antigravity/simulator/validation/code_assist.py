"""Checks of the envelope of Google's ``v1internal``; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.image_models import is_image_model
from antigravity.simulator.validation import gemini
from antigravity.simulator.validation.gemini_contents import check_contents
from antigravity.simulator.validation.gemini_models import check_model
from antigravity.simulator.validation.gemini_schema import COUNT_ENVELOPE, ENVELOPE
from antigravity.simulator.validation.google_errors import read_body


def unwrap_request(body: dict[str, Any], project: str, raw: bool) -> tuple[str, dict[str, Any]]:
    """Return the model and the request inside, in camelCase.

    :param project: the project of the account.
    :param raw: whether raw JSON Schemas are supported.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    inner = body.get("request")
    # What is inside is read by gemini.check, which knows the model.
    outer = {name: value for name, value in body.items() if name != "request"}
    envelope = read_body(outer, ENVELOPE)
    if not isinstance(inner, dict):
        refuse("Request contains an invalid argument.")
    named = envelope.get("model")
    if not named:
        refuse("Request contains an invalid argument.")
    model = check_model(named)
    given = envelope.get("project")
    if given and given.startswith("sim-project-") and given != project:
        raise ApiError(
            403,
            "Permission 'cloudaicompanion.companions.generateChat' denied on resource "
            f"'//cloudaicompanion.googleapis.com/projects/{given}/locations/global' (or it may not "
            "exist).",
            reason="IAM_PERMISSION_DENIED",
        )
    expected = "image_gen" if is_image_model(model) else "agent"
    if envelope.get("requestType") not in (None, "", expected, "web_search"):
        refuse(f"requestType must be {expected} for {model}.")
    return model, gemini.check(model, inner, internal=True, raw=raw)


def unwrap_count_request(body: dict[str, Any]) -> dict[str, Any]:
    """Return the request to count, in camelCase.

    :raises ApiError: if there are unknown fields, or no request.
    """
    inner = read_body(body, COUNT_ENVELOPE, json_schema=False).get("request")
    if not inner:
        refuse("Request contains an invalid argument.")
    check_contents(str(inner.get("model", "")), inner)
    return dict(inner)
