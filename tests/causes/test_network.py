"""Each row about connections is found by its own words; tests/doctor shows the commonest for real."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trustme

from emailproxy.causes.base import Cause
from emailproxy.causes.network import NETWORK, connection_cause
from emailproxy.config import MailProtocol, MailServer
from emailproxy.doctor.conversation import connected, deadline
from emailproxy.doctor.findings import ProblemError
from emailproxy.tls import UpstreamTls


@pytest.mark.parametrize("cause", NETWORK, ids=lambda cause: cause.name)
def test_its_words(cause: Cause) -> None:
    assert connection_cause(f"[Errno 1] it {cause.said} (_ssl.c:1006)") is cause
    assert cause.source
    assert cause.advice


def test_other_words() -> None:
    assert connection_cause("the moon is full") is None


async def handshake(certificate: trustme.LeafCert, trusted: trustme.CA | None) -> ProblemError:
    """What goes wrong with a server that shows `certificate`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    context = ssl.create_default_context()
    if trusted is not None:
        trusted.configure_trust(context)

    async def serve(stream: trio.SocketStream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, tls, server_side=True).do_handshake()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        server = MailServer(MailProtocol.IMAP, "localhost", listeners[0].socket.getsockname()[1])
        async with connected(server, UpstreamTls(context), None) as conversation:
            with pytest.raises(ProblemError) as caught, deadline(10, "shake hands"):
                await conversation.secure()
        nursery.cancel_scope.cancel()
    return caught.value


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "since", "until", "trusted", "expected"),
    [
        ("localhost", None, -DAY, True, "certificate-expired"),
        ("localhost", DAY, 2 * DAY, True, "certificate-not-yet-valid"),
        ("other.example", None, None, True, "other-host-name"),
        ("localhost", None, None, False, "chain-unknown-issuer"),
    ],
)
async def test_certificates(
    name: str, since: timedelta | None, until: timedelta | None, trusted: bool, expected: str
) -> None:
    ca = trustme.CA()
    now = datetime.now(UTC).replace(tzinfo=None)
    leaf = ca.issue_cert(
        name,
        not_before=now + since if since is not None else None,
        not_after=now + until if until is not None else None,
    )
    problem = await handshake(leaf, ca if trusted else None)
    assert problem.cause is not None, problem.told
    assert problem.cause.name == expected
    assert problem.advice == problem.cause.advice
