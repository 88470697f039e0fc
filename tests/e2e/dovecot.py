"""How is a Dovecot of our own run, that takes only tokens which the OAuth server confirms?"""

from __future__ import annotations

import getpass
import grp
import imaplib
import os
import shutil
import socket
import ssl
import time
from pathlib import Path

from tests.patience import HANG

from .processes import Process, free_ports

__all__ = ["DIRECT_PASSWORD", "Dovecot"]

DIRECT_PASSWORD = "only the harness knows this one"
"""Opens every mailbox without a token, for looking behind the proxy. No mail client in a test ever has it."""

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap pop3 submission
listen = 127.0.0.1
{users}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain xoauth2 oauthbearer
auth_failure_delay = 0
auth_verbose = yes
# the harness is one address with many connections
mail_max_userip_connections = 500
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  {chroot}
}}
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
mail_plugins =
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  {chroot}
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  {chroot}
  service_count = 0
  inet_listener pop3 {{
    port = {pop}
  }}
  inet_listener pop3s {{
    port = {pops}
    ssl = yes
  }}
}}
service submission-login {{
  {chroot}
  service_count = 0
  inet_listener submission {{
    port = {smtp}
  }}
  inet_listener submissions {{
    port = {smtps}
    ssl = yes
  }}
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_max_mail_size = 50M
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/dovecot-oauth2.conf.ext
}}
passdb {{
  driver = static
  mechanisms = plain
  args = password={password}
}}
userdb {{
  driver = static
  args = {owner} home={folder}/mail/%u allow_all_users=yes
}}
"""

_OAUTH2 = """
introspection_url = {url}
introspection_mode = post
username_attribute = username
active_attribute = active
active_value = true
tls_ca_cert_file = {authority}
"""


class Dovecot:
    """IMAP, POP3 and submission, each with implicit TLS on one port and STARTTLS on another."""

    def __init__(
        self, folder: Path, *, certificate: Path, key: Path, authority: Path, introspection_url: str, relay_port: int
    ) -> None:
        names = ("imap", "imaps", "pop", "pops", "smtp", "smtps")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        for name in ("run", "state", "mail"):
            (folder / name).mkdir()
        if os.geteuid() == 0:
            # Mail belongs to the system's mail user; the login processes run as the package's own users.
            shutil.chown(folder / "mail", "mail", "mail")
            users, owner, chroot = "", "uid=mail gid=mail", ""
        else:
            me, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
            users = f"default_internal_user = {me}\ndefault_internal_group = {group}\ndefault_login_user = {me}"
            owner, chroot = f"uid={me} gid={group}", "chroot ="
        configuration = folder / "dovecot.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=folder, users=users, owner=owner, chroot=chroot, certificate=certificate, key=key,
                relay=relay_port, password=DIRECT_PASSWORD.replace(" ", "_"), **self.ports,
            )
        )  # fmt: skip
        (folder / "dovecot-oauth2.conf.ext").write_text(_OAUTH2.format(url=introspection_url, authority=authority))
        self.process = Process(
            "dovecot",
            ["/usr/sbin/dovecot", "-F", "-c", configuration],
            folder / "dovecot.log",
            {"PATH": os.environ["PATH"]},
        )
        self._await_ports()

    def _await_ports(self) -> None:
        deadline = time.monotonic() + 15
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, f"dovecot does not listen\n{self.process.tail()}"
                    time.sleep(0.05)

    def mailbox(self, user: str) -> imaplib.IMAP4_SSL:
        """A direct connection past the proxy, INBOX selected; use it as a context manager."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        connection = imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=tls, timeout=HANG)
        connection.login(user, DIRECT_PASSWORD.replace(" ", "_"))
        connection.select("INBOX")
        return connection

    def deliver(self, user: str, message: bytes) -> None:
        """Put a message into the user's inbox, past the proxy."""
        with self.mailbox(user) as connection:
            status, answer = connection.append("INBOX", None, None, message)
            assert status == "OK", answer

    def messages(self, user: str) -> list[bytes]:
        """Every message in the user's inbox, as it was received, past the proxy."""
        with self.mailbox(user) as connection:
            _, numbers = connection.search(None, "ALL")
            found = []
            for number in numbers[0].split():
                _, parts = connection.fetch(number, "(BODY.PEEK[])")
                assert isinstance(parts[0], tuple)
                found.append(parts[0][1])
            return found
