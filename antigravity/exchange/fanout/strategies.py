"""What differs between several choices and several images to one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.config.settings import Settings
from antigravity.exchange.fanout.branch import ImageBranch, WholeBranch
from antigravity.exchange.fanout.usage_totals import sum_usage, usage_of_one_prompt
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage


class Part(Struct, frozen=True, eq=False):
    """One of the upstream requests that serve a client's request.

    ``prompt`` is the number of its prompt, ``first`` the number of its first choice in the
    client's response.
    """

    request: Request
    prompt: int
    first: int


def split_request(prompts: Sequence[Request], limit: int) -> tuple[Part, ...]:
    """Return the upstream requests for all choices to all prompts, ``limit`` choices each."""
    parts: list[Part] = []
    first = 0
    for number, request in enumerate(prompts):
        count = request.sampling.n
        for begin in range(0, count, limit):
            sampling = replace(request.sampling, n=min(limit, count - begin))
            parts.append(Part(replace(request, sampling=sampling), number, first + begin))
        first += count
    return tuple(parts)


class Strategy(Struct, frozen=True):
    """How the parts of a request are served, and how their responses are merged.

    :ivar needs_all: whether the reply fails if a part is missing; a part that failed with a
        retryable error is then tried once more.  Otherwise the reply names what failed.
    :ivar streams: whether the parts of a streamed request are streamed, too.  Otherwise each is
        written when it is complete.
    :ivar branch: the replacement of the client's protocol in a part that is not streamed.
    :ivar parallel: returns how many parts may be under way at the same time.
    :ivar usage: returns the usage that the client sees.
    """

    needs_all: bool
    streams: bool
    branch: type[WholeBranch]
    parallel: Callable[[Settings], int]
    usage: Callable[[Mapping[Part, Usage]], Usage]


def _prompts_once(usages: Mapping[Part, Usage]) -> Usage:
    """Return the usage of all parts, in which each prompt counts once."""
    by_prompt: dict[int, list[Usage]] = {}
    for part, usage in usages.items():
        by_prompt.setdefault(part.prompt, []).append(usage)
    return sum_usage(map(usage_of_one_prompt, by_prompt.values()))


#: Several choices: the reply is as if one model had given all of them.
CHOICE_STRATEGY: Final = Strategy(
    needs_all=True,
    streams=True,
    branch=WholeBranch,
    parallel=lambda settings: settings.proxy.parallel_choices,
    usage=_prompts_once,
)
#: Several images: the reply has those that could be drawn, and names what failed.
IMAGE_STRATEGY: Final = Strategy(
    needs_all=False,
    streams=False,
    branch=ImageBranch,
    parallel=lambda settings: settings.images.parallel,
    usage=lambda usages: sum_usage(usages.values()),
)
