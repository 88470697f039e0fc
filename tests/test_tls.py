"""Contexts that verify, and tickets that make the second handshake a short one."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
import trustme

from emailproxy.secret import Secret
from emailproxy.tls import _VERSIONS, RENEWAL, UpstreamTls, downstream_context


def pump(client: ssl.SSLObject, server: ssl.SSLObject, ends: tuple[ssl.MemoryBIO, ...]) -> None:
    client_in, client_out, server_in, server_out = ends
    for _ in range(6):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            server_in.write(client_out.read())
            client_in.write(server_out.read())
    server.write(b"ticket first")
    client_in.write(server_out.read())
    assert client.read() == b"ticket first"


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def connect(upstream: UpstreamTls, server_context: ssl.SSLContext) -> ssl.SSLObject:
    ends = tuple(ssl.MemoryBIO() for _ in range(4))
    client = upstream.wrap(ends[0], ends[1], "localhost", 993)
    server = server_context.wrap_bio(ends[2], ends[3], server_side=True)
    pump(client, server, ends)
    return client


def test_the_second_connection_resumes_the_first(ca: trustme.CA) -> None:
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server_context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    upstream = UpstreamTls(trusting)
    first = connect(upstream, server_context)
    assert not first.session_reused
    upstream.remember("localhost", 993, first)
    assert connect(upstream, server_context).session_reused
    upstream.forget("localhost", 993)
    assert not connect(upstream, server_context).session_reused


class _Unresumed:
    """A connection to a server that gives tickets and takes none."""

    session_reused = False
    has_ticket = True
    copied = 0

    @property
    def session(self) -> _Unresumed:
        type(self).copied += 1
        return self


def test_a_server_that_never_resumes_costs_few_copies() -> None:
    """Each of them leaks in many versions of Python (CPython issue 116810)."""
    clock = 0.0
    upstream = UpstreamTls(now=lambda: clock)
    for _ in range(1000):
        upstream.remember("localhost", 993, _Unresumed())  # type: ignore[arg-type]
        upstream.forget("localhost", 993)
        clock += RENEWAL / 100
    assert _Unresumed.copied == 10
    upstream.remember("another", 993, _Unresumed())  # type: ignore[arg-type]
    assert _Unresumed.copied == 11


def test_the_default_verifies_and_wants_tls_1_2() -> None:
    context = UpstreamTls()._context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_nobody_renegotiates(ca: trustme.CA, tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    assert downstream_context(pem, None, "1.2").options & ssl.OP_NO_RENEGOTIATION
    assert UpstreamTls()._context.options & ssl.OP_NO_RENEGOTIATION


def test_a_key_with_a_passphrase_does_not_ask_on_the_terminal(ca: trustme.CA, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    leaf = ca.issue_cert("localhost")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encrypted = tmp_path / "key.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf.cert_chain_pems[0].bytes())
    with pytest.raises(ssl.SSLError):
        downstream_context(chain, encrypted, "1.2")


@pytest.mark.parametrize("oldest", ["1.0", "1.1", "1.2", "1.3"])
@pytest.mark.parametrize("client", ["1.0", "1.1", "1.2", "1.3"])
def test_a_client_may_be_as_old_as_min_tls_says(ca: trustme.CA, tmp_path: Path, oldest: str, client: str) -> None:
    """P16: printers that know TLS 1.0 or 1.1 only."""
    pem = tmp_path / "server.pem"
    leaf = ca.issue_cert("localhost")
    for blob in leaf.private_key_pem, *leaf.cert_chain_pems:
        blob.write_to_path(str(pem), append=True)
    server_context = downstream_context(pem, None, oldest)
    context = ssl.create_default_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    ca.configure_trust(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = _VERSIONS[client]
    if client >= oldest:
        assert connect(UpstreamTls(context), server_context).version() == {"1.0": "TLSv1"}.get(client, f"TLSv{client}")
    else:
        with pytest.raises(ssl.SSLError):
            connect(UpstreamTls(context), server_context)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_certificate_and_key_need_no_file(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool, together: bool
) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    used: list[tuple[str, int]] = []
    load = ssl.SSLContext.load_cert_chain

    def watch(context: ssl.SSLContext, *arguments: Any, **more: Any) -> None:
        used.extend((str(path), Path(path).stat().st_mode & 0o077) for path in arguments if path)
        load(context, *arguments, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watch)
    issued = ca.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    key = issued.private_key_pem.bytes()
    if together:
        server_context = downstream_context(Secret.from_octets(chain + key), None, "1.2")
    else:
        server_context = downstream_context(Secret.from_octets(chain), Secret.from_octets(key), "1.2")
    monkeypatch.undo()
    assert len(used) == (1 if together else 2)
    if in_memory and hasattr(os, "memfd_create"):
        assert all(path.startswith("/proc/self/fd/") for path, _ in used)
    else:
        assert all(mode == 0 for _, mode in used), "nobody else may open it"
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    connect(UpstreamTls(trusting), server_context)


def test_a_key_that_cannot_be_used_leaves_nothing_behind(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    chain = ca.issue_cert("localhost").cert_chain_pems[0].bytes()
    with pytest.raises(ssl.SSLError) as caught:
        downstream_context(Secret.from_octets(chain), Secret("s3cret"), "1.2")
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
