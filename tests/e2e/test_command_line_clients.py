"""Do curl, mbsync, fetchmail, msmtp and swaks get mail through, by every login method they know?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import message
from .proxy import PASSWORD, SECURITIES, Proxy, Security
from .world import World

Program = Callable[[str], str]
each_security = pytest.mark.parametrize("security", SECURITIES)

_SECONDS = 60
_CURL_SCHEMES = {"IMAP": "imap", "POP": "pop3", "SMTP": "smtp"}


def run(
    *command: str | Path, stdin: bytes = b"", expect: bool = True, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a client to its end; an unexpected exit status fails the test with what the client said."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, **environment},
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert (done.returncode == 0) is expect, f"{command[0]} ended with {done.returncode}\n{said[-4000:]}"
    return done


# -- curl


def curl(
    program: Program, proxy: Proxy, protocol: str, security: Security, user: str, *more: str | Path
) -> list[str | Path]:
    """curl's command line up to the URL's path."""
    scheme = _CURL_SCHEMES[protocol] + ("s" if security == "tls" else "")
    required = ["--ssl-reqd"] if security == "starttls" else []
    return [
        program("curl"), "--silent", "--show-error", "--verbose", "--max-time", "30", "--cacert", proxy.world.authority,
        *required, "--user", f"{user}:{PASSWORD}", *more, f"{scheme}://localhost:{proxy.port(protocol, security)}",
    ]  # fmt: skip


@each_security
@pytest.mark.parametrize("options", ["AUTH=PLAIN", "AUTH=LOGIN", "AUTH=PLAIN --sasl-ir", "AUTH=LOGIN --sasl-ir"])
def test_curl_imap(program: Program, proxy: Proxy, box: str, world: World, security: Security, options: str) -> None:
    _, text = message()
    world.dovecot.deliver(box, text)
    more: list[str | Path] = ["--login-options", *options.split()]
    command = curl(program, proxy, "IMAP", security, box, *more)
    command[-1] = f"{command[-1]}/INBOX;MAILINDEX=1"
    assert run(*command).stdout == text


@each_security
@pytest.mark.parametrize("options", ["", "AUTH=PLAIN", "AUTH=LOGIN", "AUTH=PLAIN --sasl-ir", "AUTH=LOGIN --sasl-ir"])
def test_curl_pop(program: Program, proxy: Proxy, user: str, world: World, security: Security, options: str) -> None:
    more: list[str | Path] = ["--login-options", *options.split()] if options else []
    command = curl(program, proxy, "POP", security, user, *more)
    assert b"+OK" in run(*command).stderr


@each_security
@pytest.mark.parametrize("options", ["", "AUTH=PLAIN", "AUTH=LOGIN", "AUTH=PLAIN --sasl-ir", "AUTH=LOGIN --sasl-ir"])
def test_curl_smtp(
    program: Program, proxy: Proxy, user: str, world: World, tmp_path: Path, security: Security, options: str
) -> None:
    recipient = "curl@example.test"
    subject, text = message(user, recipient)
    (tmp_path / "mail").write_bytes(text)
    more: list[str | Path] = ["--login-options", *options.split()] if options else []
    upload: list[str | Path] = ["--mail-from", user, "--mail-rcpt", recipient, "--upload-file", tmp_path / "mail"]
    run(*curl(program, proxy, "SMTP", security, user, *more, *upload))
    received = [one for one in world.dovecot.messages(recipient) if subject.encode() in one]
    assert len(received) == 1
    assert received[0].endswith(text.split(b"\r\n\r\n", 1)[1])


@pytest.mark.parametrize("protocol", ["IMAP", "POP", "SMTP"])
def test_curl_is_refused_cram_md5(program: Program, proxy: Proxy, user: str, protocol: str) -> None:
    run(*curl(program, proxy, protocol, "plain", user, "--login-options", "AUTH=CRAM-MD5"), expect=False)


# -- isync


@each_security
@pytest.mark.parametrize("mechanism", ["LOGIN", "PLAIN"])
def test_mbsync(
    program: Program, proxy: Proxy, box: str, world: World, tmp_path: Path, security: Security, mechanism: str
) -> None:
    subject, text = message()
    world.dovecot.deliver(box, text)
    (tmp_path / "password").write_text(PASSWORD)
    encryption = {"plain": "None", "tls": "IMAPS", "starttls": "STARTTLS"}[security]
    configuration = tmp_path / "mbsyncrc"
    configuration.write_text(
        f"""
IMAPStore far
Host localhost
Port {proxy.port("IMAP", security)}
User {box}
PassCmd "cat {tmp_path}/password"
AuthMechs {mechanism}
SSLType {encryption}
SystemCertificates no
CertificateFile {world.authority}

MaildirStore near
Inbox {tmp_path}/mail/
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
"""
    )
    run(program("mbsync"), "--config", configuration, "--all", HOME=str(tmp_path))
    [stored] = (tmp_path / "mail" / "new").iterdir()
    assert subject in stored.read_text()
    # and the other way: a message that is written locally goes up
    second, text = message()
    (tmp_path / "mail" / "new" / "1.2.here").write_bytes(text.replace(b"\r\n", b"\n"))
    run(program("mbsync"), "--config", configuration, "--all", HOME=str(tmp_path))
    assert any(second.encode() in one for one in world.dovecot.messages(box))


# -- fetchmail


@each_security
@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail(
    program: Program, proxy: Proxy, box: str, world: World, tmp_path: Path, security: Security, protocol: str
) -> None:
    subject, text = message()
    world.dovecot.deliver(box, text)
    inbox = tmp_path / "inbox"
    encryption = {
        "plain": "sslproto ''",
        "tls": f'ssl sslcertck sslcertfile "{world.authority}"',
        "starttls": f'sslproto "TLS1.2+" sslcertck sslcertfile "{world.authority}"',
    }[security]
    port = proxy.port("IMAP" if protocol == "IMAP" else "POP", security)
    password = PASSWORD.replace("\\", "\\\\")
    configuration = tmp_path / "fetchmailrc"
    configuration.write_text(
        f"""
poll localhost service {port} protocol {protocol} auth password
  user "{box}" password '{password}' {encryption}
  mda "cat >> {inbox}" fetchall no rewrite
"""
    )
    configuration.chmod(0o600)
    run(
        program("fetchmail"), "-v", "-v", "--nosyslog", "--fetchmailrc", configuration, "--pidfile", tmp_path / "pid",
        HOME=str(tmp_path), FETCHMAILHOME=str(tmp_path),
    )  # fmt: skip
    assert f"The end of {subject}" in inbox.read_text()


# -- msmtp


def msmtp(program: Program, proxy: Proxy, user: str, folder: Path, security: Security, method: str) -> list[str | Path]:
    """msmtp's command line, for a message to msmtp@example.test on standard input."""
    (folder / "password").write_text(PASSWORD)
    command = [
        program("msmtp"), "--file=/dev/null", "--host=localhost", f"--port={proxy.port('SMTP', security)}",
        f"--auth={method}", f"--user={user}", f"--passwordeval=cat {folder}/password", f"--from={user}",
        f"--tls={'off' if security == 'plain' else 'on'}",
        f"--tls-starttls={'on' if security == 'starttls' else 'off'}",
    ]  # fmt: skip
    if security != "plain":
        command.append(f"--tls-trust-file={proxy.world.authority}")
    return [*command, "--debug", "msmtp@example.test"]


@each_security
@pytest.mark.parametrize("method", ["plain", "login"])
def test_msmtp(
    program: Program, proxy: Proxy, user: str, world: World, tmp_path: Path, security: Security, method: str
) -> None:
    subject, text = message(user, "msmtp@example.test")
    run(*msmtp(program, proxy, user, tmp_path, security, method), stdin=text.replace(b"\r\n", b"\n"))
    assert sum(subject.encode() in one for one in world.dovecot.messages("msmtp@example.test")) == 1


@pytest.mark.parametrize("method", ["cram-md5", "scram-sha-256", "xoauth2"])
def test_msmtp_is_refused_what_the_proxy_does_not_speak(
    program: Program, proxy: Proxy, user: str, tmp_path: Path, method: str
) -> None:
    command = msmtp(program, proxy, user, tmp_path, "tls", method)
    run(*command, stdin=message()[1], expect=False)


# -- swaks


def swaks(program: Program, proxy: Proxy, user: str, security: Security, mechanism: str) -> list[str | Path]:
    """swaks's command line, for a message to swaks@example.test."""
    encryption: dict[Security, list[str]] = {"plain": [], "tls": ["--tls-on-connect"], "starttls": ["--tls"]}
    verify: list[str | Path] = ["--tls-verify", "--tls-ca-path", proxy.world.authority] if security != "plain" else []
    return [
        program("swaks"), "--server", "localhost", "--port", str(proxy.port("SMTP", security)), "--auth", mechanism,
        "--auth-user", user, "--auth-password", PASSWORD, "--from", user, "--to", "swaks@example.test",
        "--ehlo", "swaks.example.test", "--timeout", "30", *encryption[security], *verify,
    ]  # fmt: skip


@each_security
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(program: Program, proxy: Proxy, user: str, world: World, security: Security, mechanism: str) -> None:
    subject, _ = message()
    run(*swaks(program, proxy, user, security, mechanism), "--header", f"Subject: {subject}")
    assert sum(subject.encode() in one for one in world.dovecot.messages("swaks@example.test")) == 1


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "NTLM", "DIGEST-MD5"])
def test_swaks_is_refused_what_the_proxy_does_not_speak(
    program: Program, proxy: Proxy, user: str, mechanism: str
) -> None:
    run(*swaks(program, proxy, user, "plain", mechanism), expect=False)


def test_swaks_pipelines(program: Program, proxy: Proxy, user: str, world: World) -> None:
    subject, _ = message()
    run(*swaks(program, proxy, user, "plain", "PLAIN"), "--pipeline", "--header", f"Subject: {subject}")
    assert sum(subject.encode() in one for one in world.dovecot.messages("swaks@example.test")) == 1
