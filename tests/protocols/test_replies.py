"""Headers of errors: when, and whether, a client should try again."""

from __future__ import annotations

import pytest

from antigravity.ir.errors import GatewayError, OverloadedError, UpstreamCredentialError
from antigravity.protocols.replies import error_reply


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (OverloadedError("x"), {}),
        (OverloadedError("x", retry_after=1.2), {"retry-after": "2"}),
        (UpstreamCredentialError("x"), {"x-should-retry": "false"}),
        (UpstreamCredentialError("x", retry_after=5), {"x-should-retry": "false"}),
    ],
)
def test_refused_credential_is_not_to_be_tried_again(
    error: GatewayError, headers: dict[str, str]
) -> None:
    assert dict(error_reply(error, {}).headers) == headers
