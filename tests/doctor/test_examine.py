"""The whole examination of a proxy for the simulated provider: in good health, and one thing broken at a time."""

from __future__ import annotations

import contextlib
import re
import ssl
from pathlib import Path

import pytest
import trio
import trustme

from emailproxy.causes.claims import NO_SCOPE, WRONG_AUDIENCE
from emailproxy.doctor.examine import World
from emailproxy.doctor.findings import Outcome
from emailproxy.secret import Secret
from emailproxy.status import Status, StatusFile, UnsavedAccount
from emailproxy.store.health import StoreHealth
from emailproxy.testing.provider.profile import OFFICE365
from emailproxy.testing.provider.server import USER
from tests.oauth.support import FEW
from tests.patience import HANG

from .support import admitted, interactive, jwt, record_in

PROVIDER_PASSWORD = Secret("provider-password")
MICROSOFT = {"iss": "https://sts.windows.net/tenant/", "upn": USER}


async def test_all_is_well_without_an_account(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine(None) == 0
        steps = [(finding.subject.split(" ")[0], finding.step) for finding in patient.findings]
        looked = [
            (protocol, step)
            for protocol in ("IMAP", "POP", "SMTP")
            for step in ("DNS", "connect", "TLS", "capabilities")
        ]
        assert steps == [
            ("configuration", "file"),
            ("proxy", "running"),
            *looked,
            ("token", "answer"),
            ("store", "read"),
        ]
        assert patient.asked == 0
        assert patient.provider.counters.logins.total() == 0
        assert "TLSv1.3" in patient.finding("TLS", "POP").told
        assert patient.finding("capabilities", "SMTP").facts["mechanisms"] == "XOAUTH2 OAUTHBEARER"
        assert {event.step for event in patient.started} == {"DNS", "connect", "TLS", "capabilities", "answer", "read"}


async def test_all_is_well_with_an_account(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine(password=PROVIDER_PASSWORD) == 0
        assert patient.provider.counters.logins == {"imap": 1, "pop3": 1, "smtp": 1}
        assert patient.provider.counters.token_requests.total() == 2  # one of them for nothing
        assert "opaque" in patient.finding("token").told
        assert "access_token" not in patient.path.read_text(), "the first login decides, not the doctor"
        assert all(finding.seconds is not None for finding in patient.findings if finding.step == "login")


async def test_a_password_that_the_provider_refuses(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine(password=Secret("mistyped-password")) == 1
        assert "user name or password is wrong" in patient.finding("token").told
        assert {each.outcome for each in patient.findings if each.step == "login"} == {Outcome.SKIPPED}


async def test_a_stored_access_token_is_used_and_nothing_is_changed(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.account |= interactive(patient.provider)
        patient.seal(access=patient.provider.issuer.issue_access_token(USER), refresh="kept")
        patient.write()
        before = patient.path.read_text()
        assert await patient.examine() == 0
        assert patient.path.read_text() == before
        assert patient.provider.counters.token_requests == {"": 1}


async def test_a_rotated_refresh_token_is_stored(tmp_path: Path) -> None:
    async with admitted(tmp_path, refresh_tokens="single_use") as patient:
        patient.account |= interactive(patient.provider)
        patient.provider.switches.rotate_refresh_tokens = True
        old = patient.provider.issuer._new_refresh_token(USER, patient.account["client_id"])
        patient.seal(refresh=old)
        assert await patient.examine() == 0
        before = record_in(patient).refresh_token
        assert before != patient.account["refresh_token"]
        assert "# the person's" in patient.path.read_text()
        assert await patient.examine(write=False) == 0, "what was stored works"


async def test_a_wrong_mail_password_changes_nothing_and_asks_nobody(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.account |= interactive(patient.provider)
        patient.seal(access="sealed-access", refresh="sealed-refresh")
        patient.write()
        before = patient.path.read_text()
        assert await patient.examine(password=Secret("another password")) == 1
        cause = patient.finding("token").cause
        assert cause is not None
        assert cause.name == "wrong-mail-password"
        assert patient.path.read_text() == before
        assert patient.provider.counters.authorizations == 0
        assert patient.provider.counters.token_requests == {"": 1}


async def test_a_provider_does_not_get_to_change_the_mail_password(tmp_path: Path) -> None:
    """In the password flow a login would let the provider judge a new password; an examination decides nothing."""
    async with admitted(tmp_path) as patient:
        patient.servers["emailproxy"] = {"encrypt_client_secret_on_first_use": "True"}
        patient.seal(access="sealed-access", refresh="sealed-refresh")
        patient.write()
        before = patient.path.read_text()
        assert await patient.examine(password=PROVIDER_PASSWORD) == 1
        assert patient.finding("token").advice.startswith("use the password that the mail client uses")
        assert patient.path.read_text() == before
        assert patient.provider.counters.token_requests == {"": 1}


async def test_a_client_secret_stays_as_it_is_written(tmp_path: Path) -> None:
    async with admitted(tmp_path, refresh_tokens="reusable") as patient:
        patient.servers["emailproxy"] = {"encrypt_client_secret_on_first_use": "True"}
        patient.account |= interactive(patient.provider)
        patient.seal(refresh=patient.provider.issuer._new_refresh_token(USER, patient.account["client_id"]))
        assert await patient.examine() == 0
        assert f"client_secret = {patient.account['client_secret']}" in patient.path.read_text()


async def test_an_account_that_nobody_authorised_yet(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.account |= interactive(patient.provider)
        with trio.fail_after(HANG):
            assert await patient.examine() == 1
        finding = patient.finding("token")
        assert finding.told == "there are no tokens of this account yet"
        assert finding.advice == f"authorise the account: emailproxy authorise {USER}"
        assert patient.provider.counters.token_requests == {"": 1}


async def test_a_refresh_token_that_was_revoked(tmp_path: Path) -> None:
    async with admitted(tmp_path, refresh_tokens="reusable") as patient:
        patient.account |= interactive(patient.provider)
        patient.seal(refresh="revoked-refresh")
        patient.write()
        before = patient.path.read_text()
        with trio.fail_after(HANG):
            assert await patient.examine() == 1
        finding = patient.finding("token")
        assert "refresh token is unknown or was revoked" in finding.told
        assert "authorise the account again" in finding.advice
        assert finding.cause is not None
        assert finding.cause.name == "invalid_grant"
        assert patient.path.read_text() == before


async def test_a_client_secret_that_was_rotated(tmp_path: Path) -> None:
    async with admitted(tmp_path, client_secret="the-old-secret") as patient:
        assert await patient.examine(password=PROVIDER_PASSWORD) == 1
        finding = patient.finding("token")
        assert "invalid_client" in finding.told
        assert "rotated" in finding.advice


async def test_a_token_that_was_revoked_early_is_replaced_once(tmp_path: Path) -> None:
    async with admitted(tmp_path, refresh_tokens="reusable") as patient:
        patient.account |= interactive(patient.provider)
        refresh = patient.provider.issuer._new_refresh_token(USER, patient.account["client_id"])
        patient.seal(access="revoked-access", refresh=refresh)
        assert await patient.examine() == 0
        assert patient.provider.counters.refused == {"imap": 1}
        assert patient.provider.counters.token_requests["refresh_token"] == 1


async def test_a_mailbox_that_refuses(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.provider.switches.refuse_logins = 100
        assert await patient.examine(password=PROVIDER_PASSWORD) == 3
        assert all(finding.step == "login" and finding.advice for finding in patient.failed)
        assert "Authentication failed" in patient.finding("login", "IMAP").told
        assert "challenge" in patient.finding("login", "SMTP").told
        assert patient.provider.counters.token_requests["password"] <= 2


async def test_claims_are_told_and_judged(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        token = jwt(
            aud="https://outlook.office.com", scp="IMAP.AccessAsUser.All SMTP.Send", tid="the-tenant", **MICROSOFT
        )
        patient.provider.issuer._access[token] = (USER, 1e12)
        patient.account |= interactive(patient.provider)
        patient.seal(access=token)
        assert await patient.examine() == 1
        facts = patient.finding("token").facts
        assert facts["aud"] == "https://outlook.office.com"
        assert facts["scp"] == "IMAP.AccessAsUser.All SMTP.Send"
        assert (facts["upn"], facts["tid"]) == (USER, "the-tenant")
        assert [finding.cause for finding in patient.failed] == [NO_SCOPE["POP"]]


async def test_a_token_for_another_audience(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        token = jwt(aud="https://graph.microsoft.com", scp="Mail.Read", **MICROSOFT)
        patient.account |= interactive(patient.provider)
        patient.seal(access=token)
        assert await patient.examine() == 4
        assert patient.failed[0].cause is WRONG_AUDIENCE


async def test_advice_names_the_mailbox_and_the_application(tmp_path: Path) -> None:
    claims = {"iss": "https://sts.windows.net/t/", "aud": "https://outlook.office365.com", "oid": "0a1b-enterprise"}
    token = jwt(**claims, appid="the-app", roles=["IMAP.AccessAsApp"])
    async with admitted(tmp_path, OFFICE365, oauth2_flow="client_credentials") as patient:
        patient.servers = {"IMAP-19930": patient.servers["IMAP-19930"]}
        patient.provider.switches.refuse_logins = 5
        patient.seal(access=token)
        assert await patient.examine() == 1
        advice = patient.finding("login").advice
        assert advice.startswith("register the app in Exchange")
        assert "-AppId the-app -ObjectId 0a1b-enterprise" in advice
        assert f"-Identity {USER} " in advice


async def test_the_running_proxys_unsaved_tokens_are_not_overtaken(tmp_path: Path) -> None:
    async with admitted(tmp_path, refresh_tokens="single_use") as patient:
        patient.account |= interactive(patient.provider)
        patient.seal(refresh="spent-refresh")
        patient.write()
        file = StatusFile(patient.path)
        unsaved = UnsavedAccount(USER, 1.0, 2, None, "no space left")
        health = StoreHealth()
        file.write(Status(1, 1.0, "file:x", ready=True, health=health, unsaved=(unsaved,)))
        try:
            assert await patient.examine() == 0
        finally:
            file.remove()
        assert patient.finding("token").outcome is Outcome.SKIPPED
        assert "newer tokens" in patient.finding("token").told
        assert patient.provider.counters.token_requests == {"": 1}
        assert patient.finding("running").outcome is Outcome.OK


async def test_a_server_that_is_down(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.servers["IMAP-19930"]["server_port"] = "1"
        assert await patient.examine(password=PROVIDER_PASSWORD) == 1
        finding = patient.finding("connect", "IMAP")
        assert finding.cause is not None
        assert finding.cause.name == "connection-refused"
        assert not [each for each in patient.findings if each.step == "login" and "IMAP" in each.subject]


async def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.servers = {"IMAP-19930": patient.servers["IMAP-19930"] | {"server_address": "mail.invalid"}}
        assert await patient.examine(None) == 1
        finding = patient.finding("DNS")
        assert finding.cause is not None, finding
        assert "no-" in finding.cause.name


async def test_a_server_that_is_not_trusted(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.world = World(ssl.create_default_context(), iterations=FEW)
        assert await patient.examine(None) == 3
        assert {each.step for each in patient.failed} == {"TLS"}
        assert all(each.cause is not None and each.cause.name.startswith("chain-") for each in patient.failed)
        assert "by emailproxy simulated provider" in patient.finding("TLS", "IMAP").told


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.servers = {"IMAP-19930": patient.servers["IMAP-19930"] | {"server_address": "127.0.0.2"}}
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.2")
        ca = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("mail.example.com").configure_cert(tls)
        context = ssl.create_default_context()
        ca.configure_trust(context)
        patient.world = World(context, iterations=FEW)
        patient.servers["IMAP-19930"]["server_port"] = str(listener.socket.getsockname()[1])

        async def serve(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                await trio.SSLStream(stream, tls, server_side=True, https_compatible=True).do_handshake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            assert await patient.examine(None) == 1
            nursery.cancel_scope.cancel()
        finding = patient.finding("TLS")
        assert finding.cause is not None, finding
        assert finding.cause.name == "other-host-name"
        assert "mail.example.com" in finding.told or "trustme" in finding.told


@pytest.mark.parametrize(
    ("port", "starttls", "name"),
    [("imap_starttls_port", "False", "not-tls"), ("pop3_port", "True", "silent-server")],
)
async def test_the_wrong_kind_of_tls(
    tmp_path: Path, port: str, starttls: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailproxy.doctor.servers.PROBE_LIMIT", 0.3)
    async with admitted(tmp_path) as patient:
        section = "IMAP-19930" if "imap" in port else "POP-19950"
        patient.servers = {section: patient.servers[section]}
        patient.servers[section] |= {"server_port": str(getattr(patient.provider, port)), "server_starttls": starttls}
        assert await patient.examine(None) == 1
        finding = patient.finding("TLS")
        assert finding.cause is not None, finding
        assert finding.cause.name == name


async def test_a_server_without_starttls(tmp_path: Path) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 hello\r\n")
        await stream.receive_some()
        await stream.send_all(b"250-hello\r\n250 AUTH PLAIN\r\n")
        await stream.receive_some()

    async with admitted(tmp_path) as patient, trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = str(listeners[0].socket.getsockname()[1])
        patient.servers = {
            "SMTP-15870": patient.servers["SMTP-15870"] | {"server_port": port, "server_starttls": "True"}
        }
        assert await patient.examine(None) == 1
        nursery.cancel_scope.cancel()
        assert patient.failed[0].cause is not None
        assert patient.failed[0].cause.name == "no-starttls"


async def test_a_token_endpoint_that_is_none(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.account["token_url"] = patient.provider.token_url.replace("/token", "/nothing")
        assert await patient.examine(None) == 1
        assert patient.finding("answer").advice == "check token_url"


async def test_a_token_endpoint_that_is_down(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.provider.switches.token_failure = "server_error"
        assert await patient.examine(None) == 1
        assert "server_error" in patient.finding("answer").told


async def test_a_store_that_does_not_open(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine(None, cache_store="nosuch:thing") == 1
        assert "nosuch" in patient.finding("open").told


async def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"\xff\xfe")
    async with admitted(tmp_path) as patient:
        assert await patient.examine(cache_store=f"file:{tmp_path / 'tokens'}") == 1
        assert patient.failed[0].step == "record"
        assert "cache doctor" in patient.failed[0].advice


async def test_the_tokens_in_another_store_are_used(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.account |= interactive(patient.provider)
        patient.seal(access=patient.provider.issuer.issue_access_token(USER))
        assert await patient.examine(cache_store=f"file:{tmp_path / 'tokens'}") == 0
        assert not (tmp_path / "tokens").exists(), "nothing was to be written"


async def test_faults_of_the_configuration(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.servers["IMAP-19930"]["server_port"] = "many"
        del patient.account["token_url"]
        assert await patient.examine(None) == 2
        assert all(finding.subject == "configuration" and finding.advice for finding in patient.failed)


async def test_an_account_that_is_not_there(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine("stranger@example.org") == 1
        assert "has no section for stranger@example.org" in patient.finding("section").told
        assert patient.asked == 0


async def test_another_providers_server_sees_no_token(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        patient.servers["IMAP-19931"] = patient.servers["IMAP-19930"] | {"server_address": "imap.gmail.com"}
        assert await patient.examine(password=PROVIDER_PASSWORD) == 0
        finding = patient.finding("provider")
        assert finding.outcome is Outcome.SKIPPED
        assert re.search(r"--server IMAP-19931", finding.advice)


async def test_only_the_servers_that_were_named(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient:
        assert await patient.examine(password=PROVIDER_PASSWORD, sections=["smtp-15870"]) == 0
        assert patient.provider.counters.logins == {"smtp": 1}
