"""How is Dovecot started? As a proxy that takes a password and logs in to the server with XOAUTH2: the whole job, in C.

It gets its token from its password database, where it stands already: nobody fetches, refreshes or seals one. That is
what its part of the work costs, not what a way to get tokens into it would. It does not do POP3 here: it sends the
token behind ``AUTH XOAUTH2`` in one line, which RFC 2449 limits to 255 octets, and servers refuse it.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
from collections.abc import Generator
from pathlib import Path

from benchmarks.client import Row
from benchmarks.measure import file_limit
from benchmarks.peers.base import Peer, found, ports
from benchmarks.processes import PASSWORD, Place, Upstream, listens, started, wait

__all__ = ["DOVECOT"]

LOGIN = Path("/usr/lib/dovecot")

# One process that serves all sessions of a protocol and is there before the first: Dovecot's own advice for speed.
_MAIN = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap submission
listen = 127.0.0.1
{users}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_client_ca_file = {ca}
ssl_ca = <{ca}
ssl_require_crl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_max_userip_connections = 0
default_client_limit = {most}
default_vsz_limit = 0
first_valid_uid = 0
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  inet_listener submission {{
    port = {smtp}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/%s.passwd
}}
userdb {{
  driver = static
  args = uid={owner} home=/nonexistent
}}
"""
_USER = (
    "{user}:{{PLAIN}}{password}::::::proxy=y host=localhost hostip=127.0.0.1 port={port} ssl=yes "
    "proxy_mech=xoauth2 pass={token}\n"
)


def _missing() -> str | None:
    logins = (LOGIN / name for name in ("imap-login", "submission-login"))
    if found("dovecot") and all(login.exists() for login in logins):
        return None
    return "the Debian packages dovecot-imapd and dovecot-submissiond"


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    local = ports("imap", "imaps", "smtp")
    folder = place.folder / "dovecot"
    for part in ("", "run", "state"):
        (folder / part).mkdir()
    authority = folder / "ca.pem"  # its login processes read it as a user of their own, after the start
    authority.write_bytes(Path(upstream.ca_path).read_bytes())
    authority.chmod(0o644)
    servers = {"imap": upstream.imap_port, "submission": upstream.smtp_port}
    account = upstream.account()
    for service, server in servers.items():
        users_file = folder / f"{service}.passwd"
        users_file.write_text(_USER.format(user=account.user, password=PASSWORD, port=server, token=account.token))
        users_file.chmod(0o644)  # the folder lets only us in; Dovecot's own user reads it
    if os.geteuid() == 0:
        users, owner = "", "mail"
        for private in (place.folder, folder):
            private.chmod(0o711)
    else:
        owner, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        users = f"default_internal_user = {owner}\ndefault_internal_group = {group}\ndefault_login_user = {owner}"
    config, log = folder / "dovecot.conf", place.folder / "dovecot.log"
    config.write_text(
        _MAIN.format(
            folder=folder, users=users, owner=owner, certificate=upstream.certificate,
            key=upstream.key, ca=authority, most=(file_limit() - 200) // 2, **local,
        )
    )  # fmt: skip
    command = [found("dovecot") or "", "-F", "-c", str(config)]
    with started(place.pins.command(command, row=True), log) as process:
        wait(process, log, lambda: all(listens(port) for port in local.values()))
        yield Row("dovecot", "127.0.0.1", local.pop("imap"), process.pid, "password", local, upstream.trust())


DOVECOT = Peer("dovecot", _missing, _start)
