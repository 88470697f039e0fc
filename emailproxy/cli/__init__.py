"""What can be typed? Commands and flags, a file for each question; the only place that prints and exits.

What a command does is elsewhere, in files that print nothing; here is how it is asked for and how the answer looks.
"""

from emailproxy.cli.accounts import accounts
from emailproxy.cli.authorising import authorise_command
from emailproxy.cli.cache import cache
from emailproxy.cli.cache_copy import copy
from emailproxy.cli.cache_delete import delete
from emailproxy.cli.cache_doctor import doctor as doctor_of_stores
from emailproxy.cli.cache_import import import_
from emailproxy.cli.cache_status import status
from emailproxy.cli.checking import check, sample_config
from emailproxy.cli.completion import completion
from emailproxy.cli.console_page import console
from emailproxy.cli.demonstration import demo
from emailproxy.cli.deploy_config import deploy_config
from emailproxy.cli.doctor import doctor
from emailproxy.cli.exits import Exit
from emailproxy.cli.lifecycle import drain, reload
from emailproxy.cli.passwords import migrate, passwords
from emailproxy.cli.root import cli
from emailproxy.cli.running import kick, sessions
from emailproxy.cli.running import status as running_status
from emailproxy.cli.seal import seal
from emailproxy.cli.stores import stores
from emailproxy.cli.watching import watch

__all__ = ["Exit", "cli", "main"]

COMMANDS = (
    *(accounts, authorise_command, cache, check, completion, console, demo, deploy_config, doctor, drain, kick),
    *(passwords, reload, running_status, sample_config, seal, sessions, stores, watch),
)
for command in COMMANDS:
    cli.add_command(command)
for command in (copy, delete, doctor_of_stores, import_, status):
    cache.add_command(command)
accounts.add_command(migrate)  # it changes the account as much as its passwords, and is looked for at both


def main() -> None:
    """The command ``emailproxy``."""
    cli(prog_name="emailproxy")
