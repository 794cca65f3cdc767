"""The command ``antigravity``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from antigravity.accounts.files import AccountError
from antigravity.accounts.upstreams import UnclearAccountError
from antigravity.cli.accounts import accounts
from antigravity.cli.administration import explain, reload, status
from antigravity.cli.config import config
from antigravity.cli.dashboard import dashboard
from antigravity.cli.doctor import doctor
from antigravity.cli.invocation import note
from antigravity.cli.mcp import mcp
from antigravity.cli.models import models
from antigravity.cli.plugins import plugins
from antigravity.cli.prices import prices
from antigravity.cli.requests import request, requests
from antigravity.cli.tunnel import tunnel
from antigravity.cli.usage import usage
from antigravity.cli.version import version
from antigravity.config.errors import ConfigurationError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def antigravity() -> None:
    """Manage the accounts, the configuration and the health of an antigravity gateway.

    Start the gateway itself with "twistd -n antigravity".
    """


for command in (
    accounts,
    config,
    dashboard,
    doctor,
    explain,
    mcp,
    models,
    plugins,
    prices,
    reload,
    request,
    requests,
    status,
    tunnel,
    usage,
    version,
):
    antigravity.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are printed as single lines.

    The code is 0 for success, 2 for a wrong command line, else 1.
    """
    try:
        code = antigravity.main(args=arguments, prog_name="antigravity", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        return _fail(error.format_message(), code=error.exit_code)
    except click.Abort:
        return _fail("cancelled")
    except (AccountError, UnclearAccountError) as error:
        return _fail(str(error))
    except ConfigurationError as error:
        return _fail(*map(str, error.problems))
    except BrokenPipeError:
        # The reader of the output is gone, so nothing can be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if os.environ.get("ANTIGRAVITY_TRACEBACK"):
            raise
        name = type(error).__name__
        return _fail(f"unexpected {name}; set ANTIGRAVITY_TRACEBACK=1 for a traceback")
    return code if isinstance(code, int) else 0


def _fail(*lines: str, code: int = 1) -> int:
    for line in lines:
        note(f"antigravity: {line}")
    return code
