"""OAuth tokens, projects and quotas of Google accounts; no I/O."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from antigravity.simulator import catalog
from antigravity.simulator.errors import ApiError, HttpResponse
from antigravity.simulator.state import Account, State

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform openid email"
_FREE: Final = {"id": "free-tier", "name": "Free", "isDefault": True}
_PAID: Final = {"id": "g1-pro-tier", "name": "Pro"}
_ULTRA: Final = {"id": "g1-ultra-tier", "name": "Ultra"}


def _refused(error: str, description: str, status: int = 400) -> HttpResponse:
    return HttpResponse(status, (), {"error": error, "error_description": description})


def token(state: State, form: dict[str, str]) -> HttpResponse:
    """Return the response of the OAuth token endpoint."""
    if not form.get("client_id"):
        return _refused("invalid_request", "Could not determine client ID from request.")
    if form["client_id"].startswith("bad-"):
        return _refused("invalid_client", "The OAuth client was not found.", 401)
    match form.get("grant_type"):
        case "refresh_token":
            return _refresh(state, form.get("refresh_token", ""))
        case "authorization_code":
            return _responder(state, form)
    return _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")


def _issued(state: State, refresh_token: str) -> dict[str, Any]:
    return {
        "access_token": state.issue_token(refresh_token),
        "expires_in": int(state.lifetime),
        "scope": _SCOPE,
        "token_type": "Bearer",
    }


def _refresh(state: State, refresh_token: str) -> HttpResponse:
    if not refresh_token:
        return _refused("invalid_request", "Missing required parameter: refresh_token")
    if refresh_token.startswith(("revoked", "bad-")):
        return _refused("invalid_grant", "Token has been expired or revoked.")
    return HttpResponse(200, (), _issued(state, refresh_token))


def _responder(state: State, form: dict[str, str]) -> HttpResponse:
    code = form.get("code", "")
    if not code:
        return _refused("invalid_request", "Missing required parameter: code")
    if code.startswith(("bad-", "revoked")):
        return _refused("invalid_grant", "Malformed auth code.")
    if not form.get("redirect_uri"):
        return _refused("invalid_request", "Missing parameter: redirect_uri")
    challenge = state.challenge(code)
    if challenge:
        made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(made).rstrip(b"=").decode() != challenge:
            return _refused("invalid_grant", "Invalid code verifier.")
    refresh_token = f"sim-rt-{state.next_number():08d}"
    return HttpResponse(200, (), {**_issued(state, refresh_token), "refresh_token": refresh_token})


def user_info(account: Account) -> dict[str, Any]:
    """Return the profile of an account."""
    return {
        "id": account.project[-8:],
        "email": account.email,
        "verified_email": True,
        "name": "Simulated User",
    }


def load_code_assist(state: State, account: Account, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of ``loadCodeAssist``.

    :raises ApiError: if the metadata is missing.
    """
    if not isinstance(body.get("metadata"), dict):
        raise ApiError(400, "Request contains an invalid argument.")
    result: dict[str, Any] = {"allowedTiers": [_FREE], "gcpManaged": False}
    if not state.has_project(account):
        return result
    result["currentTier"] = _FREE
    result["cloudaicompanionProject"] = account.project
    if account.refresh_token.startswith("ultra-"):
        result["paidTier"] = _ULTRA
    elif account.refresh_token.startswith("paid-"):
        result["paidTier"] = _PAID
    return result


def onboard_user(state: State, account: Account, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of ``onboardUser``: an operation that is done at the second request.

    :raises ApiError: if the tier is missing or not available.
    """
    if body.get("tierId") not in ("free-tier", "standard-tier", "legacy-tier"):
        raise ApiError(400, "Request contains an invalid argument.")
    operation: dict[str, Any] = {"name": f"operations/onboard-{account.project[-8:]}"}
    if not state.onboard(account):
        return {**operation, "done": False}
    project = {"id": account.project, "name": account.project, "projectNumber": "1"}
    return {**operation, "done": True, "response": {"cloudaicompanionProject": project}}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fetch_models(state: State, account: Account) -> dict[str, Any]:
    """Return the body of ``fetchAvailableModels``."""
    return catalog.available_models(account.remaining_fraction, _time(state.seconds() + 3600))


def quota(state: State, account: Account) -> dict[str, Any]:
    """Return the body of ``retrieveUserQuotaSummary``."""
    now = state.seconds()
    return catalog.quota_summary(
        account.remaining_fraction, _time(now + 3600), _time(now + 6 * 86400)
    )
