"""How is the provider run as a process of its own? ``python -m emailproxy.testing.provider --port-file FILE``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import signal
import tempfile
from functools import partial
from pathlib import Path

import click
import trio

from emailproxy.testing.provider import PROFILES, ExtraMissingError, ProviderOptions, serve_provider


async def _run(folder: Path, options: ProviderOptions, port_file: Path | None) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            provider = await nursery.start(partial(serve_provider, folder, options))
            text = json.dumps(provider.addresses(), indent=2)
            click.echo(text)
            if port_file is not None:
                # Renamed into place: a reader never sees half of it.
                draft = port_file.with_name(port_file.name + ".new")
                draft.write_text(text, encoding="utf-8")
                draft.replace(port_file)
            async for _ in signals:
                break
        nursery.cancel_scope.cancel()


@click.command()
@click.option("--port-file", type=click.Path(path_type=Path), help="Write the addresses there as JSON when ready.")
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default="generic", show_default=True)
@click.option("--user", "users", multiple=True, metavar="NAME=PASSWORD", help="A mailbox; may be repeated.")
@click.option("--oauth-tls", is_flag=True, help="The OAuth endpoints speak HTTPS.")
@click.option("--bulk-mib", type=int, default=0, help="Add a folder Bulk with one message of this size, and a Sink.")
@click.option("--no-tls-tickets", is_flag=True, help="Hand out no tickets: no TLS session can be resumed.")
def main(
    *,
    port_file: Path | None,
    profile: str,
    users: tuple[str, ...],
    oauth_tls: bool,
    bulk_mib: int,
    no_tls_tickets: bool,
) -> None:
    """Run a simulated mail provider on free loopback ports until interrupted, and print its addresses as JSON."""
    options = ProviderOptions(
        profile=PROFILES[profile],
        oauth_tls=oauth_tls,
        tls_tickets=not no_tls_tickets,
        bulk_octets=bulk_mib * 1024 * 1024,
    )
    if users:
        pairs = (user.partition("=") for user in users)
        options = dataclasses.replace(options, users={name.lower(): password for name, _, password in pairs})
    with contextlib.suppress(ValueError, OSError):
        # Thousands of idle connections in a benchmark.
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="emailproxy-provider-") as folder:
        try:
            trio.run(_run, Path(folder), options, port_file)
        except ExtraMissingError as error:
            raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
