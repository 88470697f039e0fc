"""What `emailproxy check` prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from emailproxy.config import Account, Config, Fault, MailProtocol, MailServer, Server, describe
from emailproxy.secret import Secret

PEM = Path("cert.pem")
SERVERS = (
    Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993),
    Server(
        "POP-1995", MailProtocol.POP, 1995, "2001:db8::1", 110, "::1", server_starttls=True, local_certificate_path=PEM
    ),
    Server(
        "SMTP-25", MailProtocol.SMTP, 25, "m.example", 465, "localhost", local_starttls=True, local_certificate_path=PEM
    ),
)
ADA = Account(
    "ada@x.org", "ada@x.org", "authorization_code", "https://t", client_secret=Secret("s3cret"), use_pkce=True
)
ALL = Account("@", "@", "client_credentials", "https://t", use_pkce=True)


def test_everything() -> None:
    fault = Fault("a.config", "IMAP-1993", None, "is odd", "make it even")
    config = Config(Path("a.config"), SERVERS, {ADA.name: ADA}, {"@": ALL}, warnings=(fault,))
    assert (
        describe(config)
        == """\
a.config: 3 servers, 1 account

Servers
  IMAP  all interfaces, port 1993 (no TLS) -> imap.example.com:993 (TLS)
  POP   [::1]:1995 (TLS) -> [2001:db8::1]:110 (STARTTLS)
  SMTP  localhost:25 (STARTTLS) -> m.example:465 (TLS)

Accounts
  ada@x.org  authorization_code with PKCE
  @  client_credentials (catch-all)

Warnings
  a.config [IMAP-1993]: is odd; make it even
"""
    )


def test_who_goes_where() -> None:
    servers = (
        Server("IMAP-1993", MailProtocol.IMAP, 1993, None, None, "localhost", pass_tokens=True),
        Server("SMTP-1587", MailProtocol.SMTP, 1587, "smtp.example.com", 587, "localhost", server_starttls=True),
    )
    own = dataclasses.replace(
        ADA,
        provider="gmail",
        login_aliases=("ada", "scanner"),
        upstream_user="lovelace@x.org",
        protocol_users=((MailProtocol.SMTP, "engine@x.org"),),
        servers=(MailServer(MailProtocol.SMTP, "2001:db8::1", 465),),
        provider_servers=(MailServer(MailProtocol.IMAP, "imap.gmail.com", 993),),
    )
    config = Config(Path("a.config"), servers, {own.name: own}, {"@": ALL})
    assert (
        describe(config)
        == """\
a.config: 2 servers, 1 account

Servers
  IMAP  localhost:1993 (no TLS, passes tokens) -> the accounts' own servers
  SMTP  localhost:1587 (no TLS) -> smtp.example.com:587 (STARTTLS)

Accounts
  ada@x.org  authorization_code with PKCE, gmail
    logs in as ada, scanner too
    is lovelace@x.org to the provider
    is engine@x.org to the SMTP server
    IMAP goes to imap.gmail.com:993 (TLS)
    SMTP goes to [2001:db8::1]:465 (TLS)
  @  client_credentials (catch-all)
    IMAP goes to no server: it cannot log in
"""
    )


def test_nothing() -> None:
    assert describe(Config(Path("a.config"), (), {})) == (
        "a.config: 0 servers, 0 accounts\n\nServers\n\nAccounts\n  none\n"
    )
