"""Code Assist: what is left of an account, in all the forms that it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from zope.interface.verify import verifyObject

from antigravity.interfaces.quota import IQuotaSource, ModelQuota
from antigravity.ir.errors import UpstreamError
from antigravity.upstreams.codeassist.quota import read_quota
from tests.upstreams.fake_codeassist import Case, Service
from tests.upstreams.fakes import credential

RESET = "2026-01-02T03:04:05Z"
AT = 1767323045.0


def read(models: Any = None, **assist: Any) -> Any:
    encode = msgspec.json.encode
    return read_quota(encode(assist), encode({"models": models or {}}), 5.0)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"remainingFraction": 0.75, "resetTime": RESET}, ModelQuota(0.75, AT)),
        ({"remainingFraction": 1, "resetTime": RESET}, ModelQuota(1.0, AT)),
        ({"resetTime": RESET}, ModelQuota(0.0, AT)),
        ({"resetTime": "2026-01-02T04:04:05.000+01:00"}, ModelQuota(0.0, AT)),
        ({"remainingFraction": None, "resetTime": RESET}, ModelQuota(0.0, AT)),
        ({"remainingFraction": 0.5}, ModelQuota(0.5)),
        ({"remainingFraction": 7}, ModelQuota(1.0)),
        ({"remainingFraction": 0.5, "resetTime": "soon"}, ModelQuota(0.5)),
        ({"remainingFraction": True}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_remaining_quota_of_model_is_read(info: Any, expected: ModelQuota | None) -> None:
    assert read({"m": {"quotaInfo": info}}).models.get("m") == expected


@pytest.mark.parametrize(
    ("assist", "tier"),
    [
        ({"currentTier": {"id": "free-tier"}}, "FREE"),
        ({"currentTier": {"id": "legacy-tier"}}, "FREE"),
        ({"currentTier": {"id": "standard-tier"}}, "PRO"),
        ({"currentTier": {"id": "free-tier"}, "paidTier": {"id": "g1-pro-tier"}}, "PRO"),
        ({"currentTier": {"id": "free-tier"}, "paidTier": {"id": "g1-ultra-tier"}}, "ULTRA"),
        ({"currentTier": {"id": "free-tier"}, "paidTier": {"id": "new-thing"}}, "PRO"),
        ({"currentTier": {"id": "free-tier"}, "paidTier": {}}, "FREE"),
        ({"currentTier": {"id": "production"}}, ""),
        ({"currentTier": None}, ""),
        ({}, ""),
    ],
)
def test_tier_is_read(assist: Any, tier: str) -> None:
    assert read(**assist).tier == tier


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models": 7}', b'{"models": {"m": 7}}', b"\xff"])
def test_malformed_quota_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        read_quota(b"{}", body, 5.0)
    with pytest.raises(UpstreamError):
        read_quota(b"7", b'{"models":{}}', 5.0)


class QuotaRequests(Case):
    def test_quota_of_an_account(self) -> None:
        service = Service(
            fetchAvailableModels=lambda request: (
                200,
                {
                    "models": {"m": {"quotaInfo": {"remainingFraction": 0.5}}},
                    "deprecatedModelIds": {"old": {"newModelId": "m"}},
                },
            ),
            loadCodeAssist=lambda request: (
                200,
                {
                    "cloudaicompanionProject": "found",
                    "paidTier": {"id": "g1-pro-tier", "name": "Pro"},
                },
            ),
        )
        upstream = service.upstream()
        verifyObject(IQuotaSource, upstream)
        quota = self.successResultOf(upstream.quota(credential("rt")))
        self.assertEqual((quota.tier, quota.plan, quota.fetched), ("PRO", "Pro", 1_000_000))
        self.assertEqual((quota.remaining("m", 0), quota.remaining("old", 0)), (0.5, 0.5))
        (asked,) = service.calls("fetchAvailableModels")
        self.assertEqual(msgspec.json.decode(asked.body), {"project": "found"})
        for call in service.calls("loadCodeAssist"):
            self.assertEqual(
                msgspec.json.decode(call.body), {"metadata": {"ideType": "IDE_UNSPECIFIED"}}
            )

    def test_rejected_quota_request_fails(self) -> None:
        service = Service(fetchAvailableModels=lambda request: (403, {"error": {}}))
        self.failureResultOf(service.upstream().quota(credential("rt")), UpstreamError)
