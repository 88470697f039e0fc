"""How do records get into another store? ``emailproxy cache copy``: progress on stderr, the result on stdout."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from typing import Final

import click

from emailproxy.cli.exits import Exit
from emailproxy.cli.stores_in_use import answer, opened
from emailproxy.oauth.foreign import foreign
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy.store.copying import Copied, Outcome, Waiting, copy_records

__all__ = ["copy"]

LINE_EVERY: Final = 100
"""Accounts between two lines of progress where there is no terminal to write one line again and again."""


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--account", "accounts", metavar="NAME", multiple=True, help="Only this one; may be given again.")
@click.option("--overwrite", is_flag=True, help="Replace records in TARGET that are newer, or may be.")
def copy(source: str, target: str, accounts: tuple[str, ...], *, overwrite: bool) -> None:
    """Copy the records in the store SOURCE into the store TARGET: addresses as in --cache-store, or a configuration.

    Each record is read back and compared. SOURCE is not changed. A record in TARGET that differs and may be newer is
    left as it is. Run it again after an interruption: what is there already is not written again. Stop the proxies that
    use SOURCE first: what they change afterwards is in SOURCE only.

    Exit status 1 if a record was not copied.

    \b
    Examples:
      emailproxy cache copy emailproxy.config file:/var/lib/emailproxy/tokens
      emailproxy cache copy aws:mail-tokens aws:mail/proxy/
    """
    progress = _Progress(sys.stderr.isatty())
    answer(partial(_copy, source, target, accounts, overwrite, progress))
    if progress.counts[Outcome.REFUSED]:
        sys.exit(Exit.FAILED)


async def _copy(source: str, target: str, accounts: tuple[str, ...], overwrite: bool, progress: _Progress) -> None:
    async with opened(source) as origin, opened(target) as goal:
        if origin.address == goal.address:
            raise StoreAddressError(f"{origin.address} is both source and target; name two stores")
        names = list(dict.fromkeys(accounts)) or await origin.accounts()
        if not names:
            raise StoreContentError(f"{origin.address}: there is no record of any account; look at the address")
        progress.total = len(names)
        try:
            await copy_records(origin, goal, names, overwrite=overwrite, tell=progress.tell)
        finally:
            progress.close()


class _Progress:
    """What is said on the way and at the end."""

    def __init__(self, terminal: bool) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.total = 0
        self._terminal = terminal
        self._reasons: list[Copied] = []

    def tell(self, event: Copied | Waiting) -> None:
        """Count it, and say how far we are."""
        if isinstance(event, Waiting):
            self._clear()
            click.echo(f"emailproxy: {foreign(event.error)}; trying again in {event.seconds:.0f} s", err=True)
            return
        self.counts[event.outcome] += 1
        if event.reason:
            self._reasons.append(event)
        done = self.counts.total()
        if self._terminal:
            self._clear()
            click.echo(f"{done} of {self.total}  {foreign(event.account)}", nl=False, err=True)
        elif done % LINE_EVERY == 0:
            click.echo(f"{done} of {self.total}", err=True)

    def close(self) -> None:
        """Say what was done, also if it ended early."""
        self._clear()
        for event in self._reasons:
            click.echo(f"{event.outcome.value}: {foreign(event.account)}: {foreign(event.reason)}")
        parts = [f"{outcome.value} {self.counts[outcome]}" for outcome in Outcome if self.counts[outcome]]
        left = self.total - self.counts.total()
        if left:
            parts.append(f"not reached {left}; run it again to go on")
        click.echo(", ".join(parts))

    def _clear(self) -> None:
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
