"""Who may log in, with real clients: by app password, proof, certificate or network, and behind a load balancer."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from tests.patience import HANG
from tests.scram_client import ScramClient

from .clients import connect_imap, connect_pop, connect_smtp, message
from .conftest import StartProxy
from .processes import free_ports
from .proxy import Accounts, Listener, Proxy, plain_listeners
from .world import World

USER = "managed@example.test"
ROBOT = "daemon@example.test"


def command(folder: Path, *arguments: str) -> str:
    """What ``emailproxy ARGUMENTS`` prints on standard output."""
    done = subprocess.run(
        [Path(sys.executable).parent / "emailproxy", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def managed(start_proxy: StartProxy, tmp_path: Path) -> Callable[..., Proxy]:
    """Start a proxy that has a service key."""

    def start(accounts: Mapping[str, Mapping[str, str]], **more: object) -> Proxy:
        command(tmp_path, "seal", "init", "seal.key")
        return start_proxy(accounts, settings={"seal_key": f"file:{tmp_path}/seal.key"}, **more)

    return start


def add(proxy: Proxy, user: str, *options: str) -> str:
    """A new app password."""
    return command(proxy.folder, "--config-file", str(proxy.path), "passwords", "add", user, *options)


def scram(client: imaplib.IMAP4, user: str, password: str) -> bool:
    """Log in by SCRAM-SHA-256; whether the server has proved itself."""
    us = ScramClient(user, password)
    believed: list[bool] = []

    def answer(challenge: bytes) -> bytes:
        # imaplib takes base64 away and puts it back.
        if not challenge:
            return us.first_message
        if challenge.startswith(b"r="):
            return us.final_message(challenge)
        believed.append(us.believes_message(challenge))
        return b""

    client.authenticate("SCRAM-SHA-256", answer)
    return believed == [True]


def test_a_managed_account_from_the_consent_to_the_mail(
    managed: Callable[..., Proxy], accounts: Accounts, world: World
) -> None:
    """One consent, an app password for each device, tokens that the service key seals, a restart, a revocation."""
    proxy = managed({USER: accounts.interactive()})
    phone = add(proxy, USER, "--name", "phone")
    scanner = add(proxy, USER, "--name", "scanner", "--send-only")
    with ThreadPoolExecutor(1) as thread:

        def first() -> str:
            with connect_imap(proxy) as client:
                return client.login(USER, phone)[0]

        login = thread.submit(first)
        url = proxy.running.wait_for(rf"account {USER} needs authorisation: open (\S+)")[1]
        assert world.oauth.browser().authorise(url, USER).status == 200
        assert login.result(HANG) == "OK"
    for _ in range(2):
        with connect_imap(proxy) as client:
            assert client.login(USER, phone)[0] == "OK"
            assert client.select("INBOX")[0] == "OK"
        with connect_pop(proxy) as pop:
            pop.user(USER)
            assert pop.pass_(phone).startswith(b"+OK")
            pop.quit()
        _, text = message(USER, USER)
        with connect_smtp(proxy) as smtp:
            smtp.login(USER, scanner)
            smtp.sendmail(USER, [USER], text)
        with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login(USER, scanner)
        record = proxy.record(USER)
        assert record["sealed_by"]
        assert "token_salt" not in record
        proxy.stop()
        proxy.start()
    command(proxy.folder, "--config-file", str(proxy.path), "passwords", "revoke", USER, "phone")
    proxy.stop()
    proxy.start()
    with connect_pop(proxy) as pop, pytest.raises(poplib.error_proto, match="AUTH"):
        pop.user(USER)
        pop.pass_(phone)
    assert world.oauth.requests()["authorization_code"] == 1, "one consent was enough for all of it"
    for secret in (phone, scanner):
        assert secret not in proxy.path.read_text()
        assert secret not in proxy.running.output()


def test_clients_that_do_not_send_their_password(
    managed: Callable[..., Proxy], accounts: Accounts, world: World, program: Callable[[str], str]
) -> None:
    """imaplib's and smtplib's CRAM-MD5, and GNU SASL's SCRAM-SHA-256, all through to Dovecot."""
    more = (("auth_mechanisms", "scram-sha-256 cram-md5"),)
    listeners = [
        Listener(one.protocol, "plain", one.port, one.upstream_starttls, more=more) for one in plain_listeners()
    ]
    proxy = managed({ROBOT: accounts.client_credentials()}, listeners=listeners)
    both = add(proxy, ROBOT, "--name", "both", "--mechanisms", "scram-sha-256,cram-md5")
    plain = add(proxy, ROBOT, "--name", "plain")
    with connect_imap(proxy) as client:
        assert {"AUTH=SCRAM-SHA-256", "AUTH=CRAM-MD5"} <= set(client.capabilities)
        assert client.login_cram_md5(ROBOT, both)[0] == "OK"
        assert client.select("INBOX")[0] == "OK"
    with connect_imap(proxy) as client:
        assert scram(client, ROBOT, both)
        assert client.select("INBOX")[0] == "OK"
    with connect_smtp(proxy) as smtp:
        smtp.user, smtp.password = ROBOT, both
        smtp.ehlo()
        assert smtp.auth("CRAM-MD5", smtp.auth_cram_md5)[0] == 235
    _, text = message(ROBOT, ROBOT)
    done = subprocess.run(
        [
            program("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={proxy.port('SMTP')}", "--tls=off",
            "--auth=scram-sha-256", f"--user={ROBOT}", f"--passwordeval=echo {both}", f"--from={ROBOT}", ROBOT,
        ],
        input=text, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    proxy.running.wait_for(rf"SMTP-\d+ login account={ROBOT} .*mechanism='AUTH SCRAM-SHA-256' outcome='ok'")
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        scram(client, ROBOT, plain)
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login_cram_md5("nobody@example.test", both)
    with connect_imap(proxy) as client:
        assert client.login(ROBOT, plain)[0] == "OK"
    assert both not in proxy.path.read_text()
    assert both not in proxy.running.output()


def test_certificates_networks_and_a_load_balancer(
    managed: Callable[..., Proxy], accounts: Accounts, world: World, program: Callable[[str], str], tmp_path: Path
) -> None:
    """curl with a certificate, swaks without any login, and a client that a balancer introduces."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    leaf = authority.issue_cert(ROBOT)
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "robot.pem")
    imap, smtp, balanced = free_ports(3)
    ca = (("client_ca_path", str(tmp_path / "clients.pem")), ("client_certificates", "required"))
    proxy = managed(
        {ROBOT: accounts.client_credentials()},
        listeners=[
            Listener("IMAP", "tls", imap, upstream_starttls=False, more=ca),
            Listener("SMTP", "plain", smtp, upstream_starttls=True, more=(("default_account", f"127.0.0.1 {ROBOT}"),)),
            Listener(
                "POP", "plain", balanced, upstream_starttls=False,
                more=(("proxy_protocol", "True"), ("proxy_protocol_from", "127.0.0.0/8")),
            ),
        ],
    )  # fmt: skip
    proxy.running.wait_for("sends mail as daemon@example.test without a password")
    _, text = message(ROBOT, ROBOT)
    done = subprocess.run(
        [program("swaks"), "--server", "127.0.0.1", "--port", str(smtp), "--from", ROBOT, "--to", ROBOT, "--data", "-"],
        input=text, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    proxy.running.wait_for(rf"login account={ROBOT} .*mechanism='default account' outcome='ok'")
    curl = [
        program("curl"), "--silent", "--show-error", "--verbose", "--max-time", "30", "--cacert", str(world.authority),
        "--login-options", "AUTH=EXTERNAL", "--user", f"{ROBOT}:", f"imaps://localhost:{imap}/", "-X", "NOOP",
    ]  # fmt: skip
    done = subprocess.run([*curl, "--cert", str(tmp_path / "robot.pem")], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    proxy.running.wait_for(rf"login account={ROBOT} .*mechanism='AUTH EXTERNAL' outcome='ok'")
    done = subprocess.run(curl, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0, "a certificate is required"
    with socket.create_connection(("127.0.0.1", balanced), timeout=HANG) as client, client.makefile("rb") as heard:
        client.sendall(b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 995\r\nUSER nobody@example.test\r\nPASS guess\r\n")
        assert heard.readline().startswith(b"+OK emailproxy")
        assert heard.readline().startswith(b"+OK")
        assert heard.readline().startswith(b"-ERR [AUTH]")
    proxy.running.wait_for(r"client=203\.0\.113\.9:40000 .*outcome='wrong credentials'")
    with socket.create_connection(("127.0.0.1", balanced), timeout=HANG) as client:
        client.sendall(b"USER nobody@example.test\r\n")
    proxy.running.wait_for("does not start with a PROXY protocol header")
    with pytest.raises((smtplib.SMTPException, OSError)), connect_smtp(proxy) as mail:
        mail.login("nobody@example.test", "guess")
