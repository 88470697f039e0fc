"""How is our proxy started? As a user would run it: with the log that it keeps by default, as every peer."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType

from benchmarks.client import Row
from benchmarks.peers.base import Peer, ports
from benchmarks.processes import Place, Upstream, greets, listens, started, wait

__all__ = ["OURS", "command", "configuration", "run"]

APPLICATION = "oauth2_flow = client_credentials\n"
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
LISTENERS = {"imap": "IMAP", "pop3": "POP", "smtp": "SMTP"}


def configuration(
    upstream: Upstream, local: Mapping[str, int], users: Sequence[str] = (), flow: str = APPLICATION
) -> str:
    """A file that the classic proxy reads as well: a listener for each port of `local`, and accounts.

    Without `users` there is one, the provider's. `flow` is how they get their tokens.
    """
    servers = {"imap": upstream.imap_port, "pop3": upstream.pop3_port, "smtp": upstream.smtp_port}
    # The console is no part of what is compared, and two proxies of one run would fight for its port.
    sections = ["[emailproxy]\nconsole_listen = off\n"]
    for name, port in local.items():
        protocol = name.removesuffix("s")
        section = (
            f"[{LISTENERS[protocol]}-{port}]\nserver_address = {upstream.host}\n"
            f"server_port = {servers[protocol]}\nlocal_address = 127.0.0.1\n"
        )
        if name.endswith("s"):
            section += f"local_certificate_path = {upstream.certificate}\nlocal_key_path = {upstream.key}\n"
        sections.append(section)
    sections += (
        f"[{user}]\n{flow}token_url = {upstream.token_url}\n"
        f"oauth2_scope = https://mail.example.com/.default\n"
        f"client_id = {upstream.client_id}\nclient_secret = {upstream.client_secret}\n"
        for user in users or (upstream.user,)
    )
    return "\n".join(sections)


@contextlib.contextmanager
def run(
    name: str,
    words: list[str],
    upstream: Upstream,
    place: Place,
    *,
    most: int | None = None,
    users: Sequence[str] = (),
    flow: str = APPLICATION,
    variables: Mapping[str, str] = NO_VARIABLES,
    served: bool = True,
) -> Generator[Row]:
    """Run a proxy that reads our configuration file, and wait until all its ports listen; if `served`, until it serves.

    Ours listens before it is all loaded, which is no part of what is measured later.
    """
    local = ports("imap", "imaps", "pop3", "smtp")
    config = place.folder / f"{name}.config"
    config.write_text(configuration(upstream, local, users, flow))
    log = place.folder / f"{name}.log"
    full = place.pins.command([*words, "--config-file", str(config)], row=True)
    with started(full, log, SSL_CERT_FILE=upstream.ca_path, **variables) as process:
        wait(process, log, lambda: all(listens(port) for port in local.values()))
        if served:
            wait(process, log, lambda: greets(local["imap"]))
        yield Row(name, "127.0.0.1", local.pop("imap"), process.pid, "password", local, upstream.trust(), most)


def command(place: Place) -> list[str]:
    """Our command line, without the configuration."""
    return [place.python, "-m", "emailproxy", "--local-server-auth"]


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    with run("emailproxy", command(place), upstream, place) as row:
        yield row


OURS = Peer("emailproxy", lambda: None, _start)
