"""What was fetched for a part has to be what the part is."""

from __future__ import annotations

import pytest

from antigravity.ir.errors import UnreadablePartError
from antigravity.ir.media import InlineData, MediaKind, UrlSource
from antigravity.ir.parts import Media
from antigravity.ir.request import Message, Request
from antigravity.lowering.media import with_fetched

URL = "https://x.test/a"


def request(kind: MediaKind) -> Request:
    part = Media(kind, UrlSource(URL), "")
    return Request("m", (Message("user", (part,)),), "openai_chat")


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
@pytest.mark.parametrize("mime_type", ["text/html", "text/plain", "application/json"])
def test_text_at_media_url_is_refused(kind: MediaKind, mime_type: str) -> None:
    with pytest.raises(UnreadablePartError) as refused:
        with_fetched(request(kind), {URL: (mime_type, "AAAA")})
    assert mime_type in refused.value.message
    assert refused.value.status == 400


@pytest.mark.parametrize("mime_type", ["text/html", "text/plain", "application/pdf"])
def test_document_can_be_any_text(mime_type: str) -> None:
    fetched = with_fetched(request("document"), {URL: (mime_type, "AAAA")})
    assert fetched.messages[0].parts == (Media("document", InlineData("AAAA"), mime_type),)


def test_image_with_document_content_becomes_document() -> None:
    fetched = with_fetched(request("image"), {URL: ("application/pdf", "AAAA")})
    assert fetched.messages[0].parts == (Media("document", InlineData("AAAA"), "application/pdf"),)
