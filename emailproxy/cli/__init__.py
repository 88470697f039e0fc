"""What can be typed? Commands and flags, a file for each question; the only place that prints and exits.

What a command does is elsewhere, in files that print nothing; here is how it is asked for and how the answer looks.
"""

from emailproxy.cli.exits import Exit
from emailproxy.cli.root import cli

__all__ = ["Exit", "cli", "main"]


def main() -> None:
    """The command ``emailproxy``."""
    cli(prog_name="emailproxy")
