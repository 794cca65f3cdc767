"""Trials of requests: what an upstream would get, what translation loses, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.texts import text
from antigravity.interfaces.lab import LARGEST, LabAnswer, LabRequest, LabTranslation
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.web.authentication import DASHBOARD_PATH

ADDRESS: Final = f"{DASHBOARD_PATH}/lab"
#: A request to begin with, for each form that clients write.
_MESSAGES: Final = {"messages": [{"role": "user", "content": "Hello!"}]}
_EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai_chat": {"temperature": 0.2, **_MESSAGES},
    "openai_responses": {"input": "Hello!", "reasoning": {"effort": "low"}},
    "anthropic": {"max_tokens": 1024, **_MESSAGES},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    "gemini_interactions": {"input": "Hello!"},
    "openai_completions": {"prompt": "Hello!", "max_tokens": 100},
}


class LabFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page; ``request`` is the reference, or the id, of one whose body is kept."""

    protocol: str = "openai_chat"
    model: str = ""
    upstream: str = ""
    request: str = ""


class LabForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of the page; ``request`` is JSON."""

    protocol: str
    request: str = ""
    model: str = ""
    upstream: str = ""
    stream: str = ""
    send: Literal["", "1", "simulator"] = ""


async def build(context: PageContext) -> Page:
    """Return the page with an example."""
    filters = context.read(LabFilters)
    if filters.request:
        return await _kept(context, filters.request)
    model = filters.model or await _first_model(context)
    form = LabForm(
        protocol=filters.protocol,
        model=model,
        upstream=filters.upstream,
        request=_pretty(_EXAMPLES.get(filters.protocol, {})),
    )
    return await _page(context, form)


async def attempt(context: PageContext) -> Page:
    """Return the page with the translation of the request in a form, and with its answer."""
    form = context.read_form(LabForm)
    translation: LabTranslation | None = None
    answer: LabAnswer | None = None
    try:
        request = _read(form)
        translation = await context.administration.lab.translate(request)
        if form.send:
            answer = await context.administration.lab.send(request)
    except GatewayError as error:
        return await _page(context, form, translation, problem=error)
    return await _page(context, form, translation, answer)


async def _kept(context: PageContext, request_id: str) -> Page:
    """Return the page with a finished request, whose body the ledger has kept.

    :raises NotFoundError: if there is no such request, or its body was not kept.
    """
    request = (await context.ledger.request(request_id)).request
    kept = await context.ledger.payloads(request.reference)
    body = next((each.body for each in kept.messages if each.direction == "from_client"), "")
    if not body:
        raise NotFoundError(text("lab.not_kept"))
    if len(body) > LARGEST:
        raise InvalidRequestError(text("lab.too_large", size=LARGEST))
    form = LabForm(
        protocol=request.protocol,
        model=request.model,
        request=body,
        stream="1" if request.stream else "",
    )
    return await _page(context, form, is_kept=True)


def _read(form: LabForm) -> LabRequest:
    """Return the request in a form.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    if len(form.request) > LARGEST:
        raise InvalidRequestError(text("lab.too_large", size=LARGEST))
    try:
        body = msgspec.json.decode(form.request, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidRequestError(text("lab.not_json", problem=error)) from None
    return LabRequest(
        protocol=form.protocol,
        request=body,
        model=form.model.strip(),
        upstream=form.upstream,
        stream=bool(form.stream),
        simulate=form.send == "simulator",
    )


async def _page(
    context: PageContext,
    form: LabForm,
    translation: LabTranslation | None = None,
    answer: LabAnswer | None = None,
    problem: GatewayError | None = None,
    *,
    is_kept: bool = False,
) -> Page:
    report = await context.administration.models.models()
    values = {
        "page": "lab",
        "form": form,
        "is_kept": is_kept,  # its request is indented while the page is made, in a thread
        "protocols": context.administration.lab.protocols,
        "upstreams": report.upstreams,
        "names": [each.id for each in report.models[:300]],
        "translation": translation,
        "answer": answer,
        "problem": problem.message if problem is not None else "",
    }
    return Page("lab.html", values)  # a problem is an answer, too


async def _first_model(context: PageContext) -> str:
    report = await context.administration.models.models()
    return next((each.id for each in report.models if each.tools and not each.embedding), "")


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
