"""Models and routes: what can be served and by whom, the rules about names, and why."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.rule_text import (
    fallback_text,
    mapping_text,
    read_fallbacks,
    read_mapping,
)
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.model_administration import (
    IModelAdministration,
    MappingProposal,
    MappingTrial,
    ModelReport,
    ServedModel,
)
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.web.authentication import DASHBOARD_PATH

ADDRESS: Final = f"{DASHBOARD_PATH}/models"
#: The most rows of the list of models; a filter finds the others.
_MOST_ROWS: Final = 150


class ModelFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page: the model to explain, and what the list is about."""

    model: str = ""
    protocol: str = "openai_chat"
    find: str = ""
    upstream: str = ""


class RuleForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of the rules; line ends are those of browsers."""

    mapping: str = ""
    fallbacks: str = ""
    protocol: str = "openai_chat"


async def build(context: PageContext) -> Page:
    """Return the page."""
    return await _page(context, context.read(ModelFilters))


async def build_trial(context: PageContext) -> Page:
    """Return the page with what would happen with the rules of a form."""
    form = context.read_form(RuleForm)
    filters = ModelFilters(protocol=form.protocol)
    try:
        trial = await _models(context).try_mapping(_proposal(form))
    except GatewayError as error:
        # A problem is an answer, too.
        return replace(await _page(context, filters, form, problem=error), status=200)
    return await _page(context, filters, form, trial)


async def change(context: PageContext) -> Page | None:
    """Write the rules of a form; show them again if that is not possible."""
    form = context.read_form(RuleForm)
    try:
        done = await _models(context).change_mapping(_proposal(form))
    except GatewayError as error:
        return await _page(context, ModelFilters(protocol=form.protocol), form, problem=error)
    context.session.notice = Notice(text("models.written", file=done.file))
    return None


def _models(context: PageContext) -> IModelAdministration:
    found: IModelAdministration = context.administration.models
    return found


def _proposal(form: RuleForm) -> MappingProposal:
    return MappingProposal(
        mapping=read_mapping(form.mapping),
        fallback_models=read_fallbacks(form.fallbacks),
        protocol=form.protocol,
    )


async def _page(
    context: PageContext,
    filters: ModelFilters,
    form: RuleForm | None = None,
    trial: MappingTrial | None = None,
    problem: GatewayError | None = None,
) -> Page:
    report: ModelReport = await _models(context).models()
    found = [each for each in report.models if _matches(each, filters)]
    form = form or RuleForm(
        mapping=mapping_text(report.mapping), fallbacks=fallback_text(report.fallback_models)
    )
    values: dict[str, Any] = {
        "page": "models",
        "report": report,
        "filters": filters,
        "models": found[:_MOST_ROWS],
        "left_out": max(0, len(found) - _MOST_ROWS),
        "form": form,
        "trial": trial,
        "problem": problem.message if problem is not None else "",
        "link": request_list,
        **await _explanation(context, filters),
    }
    return Page("models.html", values, 200 if problem is None else problem.status)


async def _explanation(context: PageContext, filters: ModelFilters) -> dict[str, Any]:
    """Return why a model goes where it goes, as far as there is an answer."""
    values: dict[str, Any] = {"explanation": None, "descriptions": None, "refusal": ""}
    if not filters.model:
        return values
    administration = context.administration
    try:
        values["explanation"] = await administration.explain(filters.model, filters.protocol)
        described = await administration.describe_model(filters.model, filters.protocol)
    except InvalidRequestError:
        raise
    except GatewayError as error:
        explained = values["explanation"]
        if explained is None or not explained.problem:
            values["refusal"] = error.message
        return values
    return {**values, "descriptions": described}


def _matches(model: ServedModel, filters: ModelFilters) -> bool:
    if filters.upstream and filters.upstream not in model.upstreams:
        return False
    return filters.find.lower() in model.id.lower()
