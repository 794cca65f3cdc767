"""OpenAI's endpoints for images, and Google's ``predict``."""

from __future__ import annotations

from typing import Any, Final

from twisted.web.server import Request

from antigravity.simulator.encoders import images
from antigravity.simulator.errors import Headers, google_error, openai_error
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation.images import check, check_predict
from antigravity.simulator.wire_formats import WireFormat

_OPENAI: Final = WireFormat(
    "images", "", images.encode_response, images.encode_events, images.encode_error, openai_error
)
_PREDICT: Final = WireFormat(
    "predict",
    "",
    images.encode_predictions,
    images.encode_events,
    images.encode_error,
    google_error,
)


class ImagesApi:
    """Image generation, after the API key was checked."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def openai(
        self,
        request: Request,
        body: dict[str, Any],
        key: str,
        headers: Headers,
        *,
        form: bool,
        edit: bool,
    ) -> Result:
        """Respond in OpenAI's format."""
        view = check(body, form, edit)
        return self._responder.respond(request, _OPENAI, view, view.body["stream"], key, headers)

    def predict(self, request: Request, model: str, body: dict[str, Any], key: str) -> Result:
        """Respond in Google's format."""
        return self._responder.respond(request, _PREDICT, check_predict(model, body), False, key)
