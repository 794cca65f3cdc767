"""Completion in shells: ``antigravity completion``, and what arguments complete to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.options import given, home_of

_SHELLS: Final = ("bash", "zsh", "fish")
#: How to switch it on.
_HINTS: Final = {
    "bash": 'eval "$(antigravity completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(antigravity completion zsh)"    # in ~/.zshrc, after compinit',
    "fish": "antigravity completion fish > ~/.config/fish/completions/antigravity.fish",
}
#: A label that shells take for one argument as it is.
_WORD: Final = re.compile(r"[\w.@%+=:,-]+")
#: Seconds to wait for the running gateway's list of models.
_PATIENCE: Final = 2.0


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(_SHELLS))
@command_options
def completion(invocation: Invocation, shell: str) -> None:
    """Print the script that completes commands, options, accounts, models and upstreams.

    For bash and zsh, add the line eval "$(antigravity completion SHELL)" to ~/.bashrc, or to
    ~/.zshrc after compinit.  For fish, write the script to
    ~/.config/fish/completions/antigravity.fish.
    """
    from antigravity.cli.main import COMPLETE_VARIABLE, antigravity

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(antigravity, {}, "antigravity", COMPLETE_VARIABLE).source()
    invocation.show({"shell": shell, "script": script, "use": _HINTS[shell]}, script.rstrip())


class CompletedName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A text that is completed to one of the names that ``find`` returns."""

    def __init__(self, name: str, find: Callable[[Invocation], Iterable[str]]) -> None:
        self.name = name
        self._find = find

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with ``incomplete``; none if they cannot be found."""
        invocation = Invocation(home_of(ctx), given(ctx, "config_file"))
        try:
            names = sorted(set(self._find(invocation)))
        except Exception:  # noqa: BLE001 - a shell must not show errors while somebody types
            return []
        return [CompletionItem(each) for each in names if each.startswith(incomplete)]


def _accounts(invocation: Invocation) -> Iterable[str]:
    from antigravity.accounts.files import AccountFiles

    records = AccountFiles(invocation.home).load()[0]
    # Shells would take the words of a label for several arguments.
    return [each.label if _WORD.fullmatch(each.label) else each.id for each in records]


def _upstreams(invocation: Invocation) -> Iterable[str]:
    from antigravity.accounts.files import AccountFiles
    from antigravity.accounts.upstreams import all_upstreams

    records, _ = AccountFiles(invocation.home).load()
    return all_upstreams(invocation.configuration().settings, records)


def _models(invocation: Invocation) -> Iterable[str]:
    from antigravity.cli.gateway_client import find_address, get_json

    proxy = invocation.gateway_configuration().settings.proxy
    address = find_address(invocation.home, proxy)
    if address is None:
        return []
    data: Any = get_json(address, "/v1/models", proxy.api_key.reveal(), timeout=_PATIENCE)
    return [str(each["id"]) for each in data["data"]]


ACCOUNT: Final = CompletedName("account", _accounts)
UPSTREAM: Final = CompletedName("upstream", _upstreams)
MODEL: Final = CompletedName("model", _models)
