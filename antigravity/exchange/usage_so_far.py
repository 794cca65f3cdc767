"""The usage of responses that end before the upstream has reported it."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.exchange.context import RequestContext
from antigravity.exchange.key_admission import estimate_tokens
from antigravity.exchange.streams.translated import Translator
from antigravity.ir.usage import Usage


def usage_so_far(context: RequestContext, translator: Translator) -> tuple[Usage | None, bool]:
    """Return the usage of a response that broke off, and whether a part of it is an estimate.

    What the upstream has reported so far counts: the input at the beginning of a stream, or both
    with each event.  What is missing is estimated by the texts.
    """
    reported, output = translator.usage, translator.estimate_output()
    if not (context.is_conversation and output):
        return reported, False
    usage = reported or Usage()
    if not usage.input_total:
        usage = replace(usage, input_total=estimate_tokens(context))
    if output > usage.output:
        usage = replace(usage, output=output)
    return usage, usage != reported
