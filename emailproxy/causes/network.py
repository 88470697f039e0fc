"""What does a failed look-up, connection or TLS handshake mean? Words of the operating system and of OpenSSL."""

from __future__ import annotations

from typing import Final

from emailproxy.causes.base import Cause, Meaning

__all__ = ["CLOCK_SKEW", "NETWORK", "connection_cause"]

_T: Final = Meaning.TEMPORARY

_LOOK_UP: Final = "getaddrinfo(3)"
_CONNECT: Final = "connect(2)"
_VERIFY: Final = "docs.openssl.org/master/man3/X509_STORE_CTX_get_error"
_TLS: Final = "docs.python.org/3/library/ssl"

_NAME: Final = "there is no such host in DNS: correct the name in the configuration"
_CERTIFICATE_AUTHORITY: Final = (
    "whoever signed the server's certificate is not trusted here: if a firewall inspects TLS, exempt this server or "
    "name its authority in SSL_CERT_FILE; else install the system's ca-certificates"
)

NETWORK: Final[tuple[Cause, ...]] = (
    Cause("no-such-host", _NAME, _LOOK_UP, "Name or service not known"),
    Cause("no-such-host-bsd", _NAME, _LOOK_UP, "nodename nor servname provided"),
    Cause("no-address", _NAME, _LOOK_UP, "No address associated with hostname"),
    Cause(
        "no-name-server",
        "the machine's name server does not answer: check the network and /etc/resolv.conf",
        _LOOK_UP,
        "Temporary failure in name resolution",
        _T,
    ),
    Cause(
        "connection-refused",
        "nothing listens there: check server_port, and whether a firewall refuses this connection",
        _CONNECT,
        "Connection refused",
    ),
    Cause("no-route", "there is no way to this host: check the network and its firewall", _CONNECT, "unreachable", _T),
    Cause(
        "no-route-to-host", "there is no way to this host: check the network and its firewall", _CONNECT, "No route", _T
    ),
    Cause(
        "no-answer",
        "a firewall probably drops what we send: let this machine reach that host and port",
        "connect(2), ETIMEDOUT",
        "did not connect in time",
        _T,
    ),
    Cause(
        "silent-server",
        "the server says nothing: if this port speaks TLS from the first octet (IMAP 993, POP 995, SMTP 465), remove "
        "server_starttls; else it is overloaded, try later",
        "RFC 8314 section 3",
        "did not answer in time",
        _T,
    ),
    Cause(
        "not-tls",
        "the server does not speak TLS from the first octet on this port: set server_starttls = True, or use the port "
        "that does (IMAP 993, POP 995, SMTP 465)",
        _TLS,
        "WRONG_VERSION_NUMBER",
    ),
    Cause(
        "not-tls-record", "this port does not speak TLS: check server_port and server_starttls", _TLS, "record layer"
    ),
    Cause(
        "no-starttls",
        "this port offers no STARTTLS: remove server_starttls if it speaks TLS from the first octet, else use another",
        "RFC 3207 section 4, RFC 2595 section 2.1",
        "does not offer ST",
    ),
    Cause("chain-self-signed", _CERTIFICATE_AUTHORITY, _VERIFY, "self-signed certificate in certificate chain"),
    Cause("chain-unknown-issuer", _CERTIFICATE_AUTHORITY, _VERIFY, "unable to get local issuer certificate"),
    Cause(
        "self-signed",
        "the server shows a certificate that it signed itself: name that certificate in SSL_CERT_FILE if it is right",
        _VERIFY,
        "self-signed certificate",
    ),
    Cause(
        "certificate-expired",
        "the server's certificate has expired, or this machine's clock is wrong: check the clock, then tell whoever "
        "runs the server",
        _VERIFY,
        "certificate has expired",
    ),
    Cause(
        "certificate-not-yet-valid",
        "this machine's clock is slow: let it follow a time server",
        _VERIFY,
        "certificate is not yet valid",
    ),
    Cause(
        "other-host-name",
        "the certificate is for another name: configure the name that the provider documents",
        _VERIFY,
        "certificate is not valid for",
    ),
    Cause(
        "old-tls",
        "the server speaks no TLS 1.2 or newer, which we insist on: use another of the provider's servers",
        _TLS,
        "UNSUPPORTED_PROTOCOL",
    ),
    Cause(
        "old-tls-alert",
        "the server and we have no TLS version in common: use another of the provider's servers",
        _TLS,
        "PROTOCOL_VERSION",
    ),
    Cause(
        "handshake-cut-off",
        "something ends the connection during TLS: check server_port and server_starttls, then the firewall",
        _TLS,
        "during the TLS handshake",
    ),
)
"""In the order in which they are tried."""

CLOCK_SKEW: Final = Cause(
    "clock-skew",
    "let this machine follow a time server (for instance: timedatectl set-ntp true)",
    "RFC 7519 section 4.1, learn.microsoft.com/entra/identity-platform/certificate-credentials",
    "its clock is",
)
"""Found by comparing clocks."""


def connection_cause(words: str) -> Cause | None:
    """What an error's `words` mean; None if nobody knows."""
    folded = words.casefold()
    return next((cause for cause in NETWORK if cause.said.casefold() in folded), None)
