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
from emailproxy.cli.demonstration import demo
from emailproxy.cli.deploy_config import deploy_config
from emailproxy.cli.doctor import doctor
from emailproxy.cli.exits import Exit
from emailproxy.cli.passwords import passwords
from emailproxy.cli.root import cli
from emailproxy.cli.seal import seal
from emailproxy.cli.stores import stores

__all__ = ["Exit", "cli", "main"]

COMMANDS = (
    *(accounts, authorise_command, cache, check, completion, demo, deploy_config, doctor),
    *(passwords, sample_config, seal, stores),
)
for command in COMMANDS:
    cli.add_command(command)
for command in (copy, delete, doctor_of_stores, import_, status):
    cache.add_command(command)


def main() -> None:
    """The command ``emailproxy``."""
    cli(prog_name="emailproxy")
