"""Can a mail server be reached, is it who it claims to be, and does it take tokens? Without a login."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import trio
from cryptography import x509
from cryptography.x509.oid import NameOID

from emailproxy.causes.base import Cause
from emailproxy.config import MailProtocol, MailServer
from emailproxy.connection import Connection, Scratch
from emailproxy.dialling import Dialler
from emailproxy.doctor.conversation import Conversation, connected, deadline, problem_of
from emailproxy.doctor.findings import Examination, Outcome, ProblemError, Verdict
from emailproxy.doctor.targets import Target
from emailproxy.protocols.events import CapabilitiesReceived, StartTls
from emailproxy.protocols.wording import printable
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import CONNECT_LIMIT, PROBE_LIMIT

__all__ = ["NO_TOKENS", "describe_tls", "examine_server"]

SOON: Final = 14
"""Days before its end that a certificate is worth a word: providers renew theirs a month ahead."""

NO_TOKENS: Final = Cause(
    "no-token-mechanism",
    "use the server that the provider documents for OAuth; this one takes passwords only, or the provider has switched "
    "tokens off",
    "RFC 7628, developers.google.com/gmail/imap/xoauth2-protocol",
    "neither XOAUTH2 nor OAUTHBEARER",
)

_MECHANISMS: Final = {
    MailProtocol.IMAP: re.compile(r"AUTH=(\S+)", re.IGNORECASE),
    MailProtocol.POP: re.compile(r"SASL (.*)", re.IGNORECASE),
    MailProtocol.SMTP: re.compile(r"AUTH[ =](.*)", re.IGNORECASE),
}
"""What a capability that names mechanisms looks like."""


async def examine_server(examination: Examination, target: Target, tls: UpstreamTls, now: Callable[[], float]) -> bool:
    """Look the name up, connect, shake hands, ask for capabilities; whether a login may be tried."""
    subject, server = str(target), target.server

    async def look_up() -> Verdict:
        with deadline(CONNECT_LIMIT, "answer"):
            found = await trio.socket.getaddrinfo(server.address, server.port, type=trio.socket.SOCK_STREAM)
        return Verdict(", ".join(dict.fromkeys(str(entry[4][0]) for entry in found)))

    return await examination.attempt(subject, "DNS", look_up) and await _Talk(examination, target, tls, now).run()


@dataclass(frozen=True, slots=True)
class _Talk:
    """One connection, three steps."""

    examination: Examination
    target: Target
    tls: UpstreamTls
    now: Callable[[], float]

    async def run(self) -> bool:
        subject, attempt = str(self.target), self.examination.attempt
        async with AsyncExitStack() as stack:
            conversation: Conversation | None = None

            async def connect() -> Verdict:
                nonlocal conversation
                conversation = await stack.enter_async_context(connected(self.target.server, self.tls, None))
                return Verdict("connected")

            async def secure() -> Verdict:
                assert conversation is not None
                if self.target.server.starttls:
                    with deadline(PROBE_LIMIT, "answer"):
                        event = await conversation.proceed()
                    if not isinstance(event, StartTls):
                        raise problem_of(str(getattr(event, "detail", event)))
                try:
                    with deadline(CONNECT_LIMIT, "finish the TLS handshake"):
                        await conversation.secure()
                except ProblemError as problem:
                    shown = await _shown_certificate(self.target.server) if _is_about_trust(problem) else ""
                    raise ProblemError(f"{problem.told}{shown}", problem.cause) from None
                if self.target.server.starttls:
                    conversation.machine.secured()
                assert conversation.tls is not None
                return describe_tls(conversation.tls, self.now())

            async def ask() -> Verdict:
                assert conversation is not None
                with deadline(PROBE_LIMIT, "answer"):
                    last = await conversation.proceed()
                if not isinstance(last, CapabilitiesReceived):
                    raise problem_of(str(getattr(last, "detail", last)))
                return _capabilities(self.target.server.protocol, last.capabilities)

            return (
                await attempt(subject, "connect", connect)
                and await attempt(subject, "TLS", secure)
                and await attempt(subject, "capabilities", ask)
            )


def _capabilities(protocol: MailProtocol, capabilities: tuple[str, ...]) -> Verdict:
    pattern = _MECHANISMS[protocol]
    offered = [word for line in capabilities if (found := pattern.fullmatch(line)) for word in found[1].upper().split()]
    facts = {"mechanisms": printable(" ".join(offered)), "capabilities": printable(" ".join(capabilities))}
    if not capabilities:
        # RFC 1939 knows no CAPA: the login will tell.
        return Verdict("it does not tell its capabilities", facts=facts)
    if not {"XOAUTH2", "OAUTHBEARER"} & set(offered):
        told = f"it offers {NO_TOKENS.said}: {facts['mechanisms'] or 'no mechanism at all'}"
        raise ProblemError(told, NO_TOKENS, facts=facts)
    return Verdict(
        f"takes tokens: {' '.join(name for name in offered if name in ('XOAUTH2', 'OAUTHBEARER'))}", facts=facts
    )


def describe_tls(tls: ssl.SSLObject, now: float) -> Verdict:
    """What was negotiated, and whose certificate it is, which was verified."""
    certificate = tls.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(certificate.get("notAfter", "Jan  1 00:00:00 1970 GMT")))
    days = int((ends - now) // 86400)
    facts = {
        "version": tls.version() or "",
        "cipher": (tls.cipher() or ("",))[0],
        "subject": printable(_named(certificate.get("subject"), "commonName")),
        "issuer": printable(_named(certificate.get("issuer"), "organizationName", "commonName")),
        "not_after": datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d"),
    }
    told = f"{facts['version']}, certificate by {facts['issuer'] or 'an unnamed issuer'}, good for {days} days"
    if days < SOON:
        return Verdict(told, Outcome.WARNING, "tell whoever runs the server to renew its certificate", facts=facts)
    return Verdict(told, facts=facts)


def _named(name: object, *kinds: str) -> str:
    """The first of `kinds` in a distinguished name as ``getpeercert`` gives it."""
    parts = {key: value for rdn in name for key, value in rdn} if isinstance(name, tuple) else {}
    return next((parts[kind] for kind in kinds if kind in parts), "")


def _is_about_trust(problem: ProblemError) -> bool:
    return problem.cause is not None and problem.cause.source.startswith("docs.openssl.org")


async def _shown_certificate(server: MailServer) -> str:
    """Whose certificate a server shows that is not trusted: nothing is said to it. Empty if that cannot be seen."""
    if server.starttls:
        return ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only looked at, and closed
    try:
        with trio.fail_after(CONNECT_LIMIT):
            connection = Connection(await Dialler().dial(server.address, server.port), Scratch())
            try:
                await connection.start_tls(
                    lambda incoming, outgoing: context.wrap_bio(incoming, outgoing, server_hostname=server.address)
                )
                assert connection.tls is not None
                der = connection.tls.getpeercert(binary_form=True)
            finally:
                connection.close()
        certificate = x509.load_der_x509_certificate(der) if der else None
    except (OSError, ValueError, trio.TooSlowError):
        return ""
    if certificate is None:
        return ""
    until = certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    return printable(
        f" (it shows a certificate for {_text(certificate.subject)} by {_text(certificate.issuer)}, until {until})"
    )


def _text(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)
    return "nobody"
