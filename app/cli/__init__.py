"""The command line: `flex`. Each file beside this one holds a group of commands; this one gathers them."""

from __future__ import annotations

import sys

import click

from app.cli.condition import condition
from app.cli.database import database
from app.cli.keys import audit, keys
from app.cli.people import answer, approve, inbox, reject
from app.cli.runs import cancel, plan, replan, run, runs, watch
from app.cli.service import doctor, env
from app.cli.up import demo, up
from models.settings import SettingsError
from policies.errors import FlexError

EXIT_FAILED, EXIT_USAGE = 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="flex")
def cli() -> None:
    """Plan, run and watch multi-agent work: an envelope in, a proven result out.

    Exit codes: 0 completed, 1 failed, 2 usage, 3 waiting for a person.
    """


ABOUT_RUNS = (run, watch, plan, runs, replan, cancel)
ABOUT_PEOPLE = (inbox, approve, reject, answer)
ABOUT_THE_SERVICE = (up, demo, condition, database, env, doctor, keys, audit)

for command in (*ABOUT_THE_SERVICE, *ABOUT_RUNS, *ABOUT_PEOPLE):
    cli.add_command(command)


def main() -> None:
    """Run the command line; what Flex expected could go wrong becomes one line, not a trace."""
    try:
        cli.main(prog_name="flex")
    except SettingsError as error:
        click.echo(f"flex: {error.message}", err=True)
        sys.exit(EXIT_USAGE)
    except FlexError as error:
        click.echo(f"flex: {error.message}", err=True)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
