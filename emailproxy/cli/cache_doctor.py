"""Will the proxy be able to work with a store? ``emailproxy cache doctor``: a line for each step as it happens."""

from __future__ import annotations

import logging
import sys
from functools import partial

import click

from emailproxy.cli.exits import Exit
from emailproxy.cli.stores_in_use import answer, opened
from emailproxy.oauth.foreign import foreign
from emailproxy.store.doctor import Finding, LeftBehind, Step, examine

__all__ = ["doctor"]

_WIDTH = max(len(step.value) for step in Step)


@click.command()
@click.argument("store")
def doctor(store: str) -> None:
    """Try in STORE everything that the proxy does there, with a record of nobody's that is deleted again.

    Says which permission, limit or connection stands in the way of a step, and what to do. Run it as the user, and
    on the machine, that the proxy runs as. Exit status 1 if a step that the proxy needs does not work.

    \b
    Example:
      emailproxy cache doctor 'azure:my-vault?identity=00000000-0000-0000-0000-000000000000'
    """
    findings: list[Finding] = []
    # A store says at INFO which credentials it uses, which is half of the diagnosis.
    answer(partial(_examine, store, findings), log_level=logging.INFO)
    failed = [finding for finding in findings if finding.fails]
    click.echo(f"{store} cannot be used like that" if failed else f"{store} can be used")
    if failed:
        sys.exit(Exit.FAILED)


async def _examine(store: str, findings: list[Finding]) -> None:
    def tell(finding: Finding | LeftBehind) -> None:
        if isinstance(finding, LeftBehind):
            there = "is still there" if finding.certain else "may be there, if the first step got half-way"
            click.echo(f"  the record of {finding.account} {there}: delete it by hand")
            return
        findings.append(finding)
        for line in _lines(finding):
            click.echo(line)

    async with opened(store) as records:
        click.echo(records.address)
        await examine(records, tell)


def _lines(finding: Finding) -> list[str]:
    step = f"  {finding.step.value:{_WIDTH}}  "
    if finding.problem is None:
        return [f"{step}ok{f'; {finding.note}' if finding.note else ''}"]
    needed_for = finding.step.needed_for
    verdict = "FAILED" if needed_for is None else f"not possible; needed for {needed_for} only"
    reasons = (foreign(finding.problem), finding.remedy)
    return [f"{step}{verdict}", *(f"    {reason}" for reason in reasons if reason)]
