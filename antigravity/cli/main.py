"""The command ``antigravity``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from antigravity.cli.group import Group
from antigravity.cli.invocation import print_error
from antigravity.config.errors import ConfigurationError

#: Where each command is: those that are not used are not imported.
COMMANDS: Final = {
    "accounts": "antigravity.cli.accounts:accounts",
    "keys": "antigravity.cli.keys:keys",
    "completion": "antigravity.cli.completion:completion",
    "config": "antigravity.cli.config:config",
    "connect": "antigravity.cli.connect:connect",
    "dashboard": "antigravity.cli.dashboard:dashboard",
    "disconnect": "antigravity.cli.connect:disconnect",
    "docs": "antigravity.cli.documentation:docs",
    "doctor": "antigravity.cli.doctor:doctor",
    "explain": "antigravity.cli.explain:explain",
    "export": "antigravity.cli.export:export",
    "logs": "antigravity.cli.logs:logs",
    "mcp": "antigravity.cli.mcp:mcp",
    "models": "antigravity.cli.models:models",
    "plugins": "antigravity.cli.plugins:plugins",
    "prices": "antigravity.cli.prices:prices",
    "reload": "antigravity.cli.administration:reload",
    "request": "antigravity.cli.requests:request",
    "requests": "antigravity.cli.requests:requests",
    "run": "antigravity.cli.run_client:run",
    "service": "antigravity.cli.service:service",
    "serve": "antigravity.cli.serve:serve",
    "simulator": "antigravity.cli.simulator:simulator",
    "status": "antigravity.cli.status:status",
    "tunnel": "antigravity.cli.tunnel:tunnel",
    "usage": "antigravity.cli.usage:usage",
    "version": "antigravity.cli.version:version",
}

#: The sections in which the help lists them.
SECTIONS: Final = {
    "Begin": ("serve", "accounts", "connect", "status", "dashboard", "doctor", "docs"),
    "Clients": ("run", "disconnect", "keys", "mcp", "tunnel"),
    "Models": ("models", "explain", "prices"),
    "What happened": ("requests", "request", "usage", "logs", "export"),
    "The gateway": ("config", "reload", "service", "plugins", "simulator", "completion", "version"),
}

#: The variable with which the scripts of ``antigravity completion`` ask what comes next.
COMPLETE_VARIABLE: Final = "_ANTIGRAVITY_COMPLETE"
#: The exit code after Ctrl-C.
INTERRUPTED: Final = 130


@click.group(
    cls=Group,
    lazy=COMMANDS,
    has_plugins=True,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def antigravity() -> None:
    """Run an antigravity gateway, and manage its accounts, configuration and health.

    First "antigravity serve", then in another terminal "antigravity accounts add gemini_api", and
    "antigravity connect claude-code".  "antigravity COMMAND --help" describes a command.

    Exit codes: 0 success, 1 failure, 2 wrong command line, 3 no gateway runs, 130 Ctrl-C.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are printed as single lines."""
    try:
        code = antigravity.main(
            args=arguments,
            prog_name="antigravity",
            complete_var=COMPLETE_VARIABLE,
            standalone_mode=False,
        )
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        return _fail(error.format_message(), code=error.exit_code)
    except click.Abort:
        return _fail("cancelled", code=INTERRUPTED)
    except ConfigurationError as error:
        return _fail(*map(str, error.problems))
    except BrokenPipeError:
        # The reader of the output is gone, so nothing can be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:  # noqa: BLE001 - raised again for developers
        return _fail_unexpected(error)
    return code if isinstance(code, int) else 0


def _fail_unexpected(error: Exception) -> int:
    from antigravity.accounts.files import AccountError
    from antigravity.accounts.upstreams import UnclearAccountError

    if isinstance(error, AccountError | UnclearAccountError):
        return _fail(str(error))
    if os.environ.get("ANTIGRAVITY_TRACEBACK"):
        raise error
    name = type(error).__name__
    return _fail(f"unexpected {name}; set ANTIGRAVITY_TRACEBACK=1 for a traceback")


def _fail(*lines: str, code: int = 1) -> int:
    for line in lines:
        print_error(f"antigravity: {line}")
    return code
