"""Where can tokens be kept? ``emailproxy stores``: the stores that are installed, their addresses, what one lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from emailproxy.cli.tables import pairs
from emailproxy.oauth.foreign import foreign
from emailproxy.store.registry import StoreKind, describe

__all__ = ["stores"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def stores(*, as_json: bool) -> None:
    """List where tokens can be kept: the addresses that --cache-store takes, and what is not installed.

    What stands in capitals is yours to fill in. docs/stores.md explains each, with its options and permissions.

    \b
    Example:
      emailproxy stores
    """
    kinds = describe()
    if as_json:
        click.echo(json.dumps({"stores": [_fields(kind) for kind in kinds]}, indent=2))
        return
    for number, kind in enumerate(kinds):
        if number:
            click.echo()
        for line in _lines(kind):
            click.echo(line)


def _lines(kind: StoreKind) -> Iterator[str]:
    """A line on what it needs, then one for each form of its address."""
    yield f"{kind.prefix}:  {foreign(_state(kind))}"
    forms = [(form.form, form.meaning) for form in kind.forms] or [(f"{kind.prefix}:…", f"see {kind.distribution}")]
    for line in pairs(forms):
        yield f"  {line}"


def _state(kind: StoreKind) -> str:
    """Whether it can be used, and what to do if not."""
    if kind.problem is not None:
        return f"cannot be used: {kind.problem}"
    if kind.missing:
        remedy = f": {kind.remedy}" if kind.remedy is not None else ""
        return f"cannot be used, needs {', '.join(kind.missing)}{remedy}"
    return f"installed, with the extra {kind.extra}" if kind.extra else "installed, needs no extra"


def _fields(kind: StoreKind) -> dict[str, object]:
    return {
        "prefix": kind.prefix,
        "distribution": kind.distribution,
        "addresses": [{"form": form.form, "meaning": form.meaning} for form in kind.forms],
        "usable": kind.usable,
        "extra": kind.extra,
        "missing": list(kind.missing),
        "remedy": kind.remedy,
        "problem": kind.problem,
    }
