"""Images at OpenAI's endpoints, and Google's ``predict``."""

from __future__ import annotations

from typing import Any, Final

from twisted.web.server import Request

from antigravity.simulator.encoders import images
from antigravity.simulator.errors import Headers, google_error, openai_error
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation.images import check, check_predict
from antigravity.simulator.wire_formats import Dialect

_OPENAI: Final = Dialect(
    "images", "", images.reply, images.events, images.error_events, openai_error
)
_PREDICT: Final = Dialect(
    "predict", "", images.predictions, images.events, images.error_events, google_error
)


class ImagesApi:
    """Answers requests for images whose keys are good."""

    def __init__(self, exchange: Responder) -> None:
        self._exchange = exchange

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
        """Answer as OpenAI does."""
        view = check(body, form, edit)
        return self._exchange.run(request, _OPENAI, view, view.body["stream"], key, headers)

    def predict(self, request: Request, model: str, body: dict[str, Any], key: str) -> Result:
        """Answer as Google does."""
        return self._exchange.run(request, _PREDICT, check_predict(model, body), False, key)
