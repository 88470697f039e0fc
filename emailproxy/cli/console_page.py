"""How does somebody with the token get into the page? ``emailproxy console``: a link that works once."""

from __future__ import annotations

import contextlib
import html
import json
import os
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.reaching import Where, reach, run, where_options
from emailproxy.oauth.browsers import has_browser
from emailproxy.remote.calls import ask

__all__ = ["console"]

OPENING_SECONDS: Final = 5.0
"""Until the file that leads the browser to the link is removed: a browser that has to be started needs a few."""


@click.command()
@click.option("--no-browser", is_flag=True, help="Open no browser, only print the link.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, and no browser.")
@where_options
@click.pass_obj
def console(flags: Flags, *, no_browser: bool, as_json: bool, where: Where) -> None:
    """Open the page of the running proxy in a browser, or print the link to it where there is none.

    The link works once, for a minute; the browser stays signed in for a working day. Over SSH, forward the port first:
    ssh -L 8025:localhost:8025 HOST.

    Exit status 4 if no proxy runs.

    \b
    Examples:
      emailproxy console
      emailproxy console --no-browser
    """
    place = reach(flags, where)
    if place.path is not None:
        end(Exit.FAILED, f"no browser can open {place}; set console_listen = 127.0.0.1:8025 to have the page")
    answer = run(flags, partial(ask, place, "/api/enter"))
    link = place.url + str(answer["path"])
    if as_json:
        click.echo(json.dumps({"url": link}, indent=2))
        return
    with ExitStack() as left:
        opened = not no_browser and has_browser(os.environ) and left.enter_context(_opened(link))
        said = "The page is opened in your browser. If it is not, open this:" if opened else "Open this in a browser:"
        click.echo(f"{said}\n\n  {link}\n\nIt works once, within a minute.")


@contextmanager
def _opened(link: str) -> Iterator[bool]:
    """A browser by way of a file: a command line can be read by every user of the machine, this file cannot.

    Whether there is one; it gets its time to read the file at the end.
    """
    handle, name = tempfile.mkstemp(prefix="emailproxy-", suffix=".html")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            target = html.escape(link, quote=True)
            file.write(
                f'<!doctype html><meta http-equiv="refresh" content="0;url={target}"><a href="{target}">On</a>\n'
            )
        try:
            opened = webbrowser.open(Path(name).as_uri())
        except webbrowser.Error:
            opened = False
        yield opened
        if opened:
            time.sleep(OPENING_SECONDS)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()
