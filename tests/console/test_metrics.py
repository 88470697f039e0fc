"""What Prometheus is told. Every name is in the documentation; the dashboard and the rules use no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import trustme
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from emailproxy.config import Fault
from emailproxy.console.metrics import Metrics
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.counting import OTHER, Holding
from emailproxy.status import UnsavedAccount, WaitingAccount
from emailproxy.store.health import StoreHealth

from .seen import SERVERS, STARTED, FakeSeen, FakeSession

ROOT = Path(__file__).parents[2]
DOCUMENTATION = ROOT / "docs/metrics.md"
DASHBOARD = ROOT / "infra/grafana/emailproxy.json"
RULES = ROOT / "infra/prometheus/emailproxy.rules.yml"
IMAP, POP, SMTP = SERVERS
WRONG = Failure(FailureKind.WRONG_CREDENTIALS, "No.", "the whole story")


@pytest.fixture
def seen() -> FakeSeen:
    return FakeSeen()


@pytest.fixture
def metrics(seen: FakeSeen) -> Metrics:
    return Metrics(seen)


async def scraped(metrics: Metrics, accept: str = "") -> str:
    app = Starlette(routes=metrics.routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://proxy") as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    return answer.text


def values(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of this name: by the values of their labels, in the order of the labels' names."""
    return {
        tuple(label for _, label in sorted(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def value(metrics: Metrics, name: str) -> float:
    [found] = values(metrics, name).values()
    return found


def everything(seen: FakeSeen, metrics: Metrics, folder: Path) -> None:
    """Let happen whatever has a metric."""
    path = folder / "certificate.pem"
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path(str(path))
    metrics.listener_bound(replace(IMAP, local_certificate_path=path), [("127.0.0.1", 1993)])
    session = FakeSession(logged_in_at=STARTED)
    metrics.session_opened(session)
    metrics.login_finished(session, "old@example.com", "LOGIN", None, 12.5)
    metrics.session_closed(session)
    metrics.connection_refused(IMAP, "192.0.2.1", WRONG)
    metrics.reloaded()
    seen.broker.requests.note("refresh_token", "ok", 0.2)
    seen.broker.held = [Holding(False, time.time() + 1000, int(STARTED))]


# --- what is told ---------------------------------------------------------------------------------------------------


def test_logins_by_protocol_class_and_outcome(seen: FakeSeen, metrics: Metrics) -> None:
    seen.broker.managed = {"app@example.com": True, "old@example.com": False}
    for account, mechanism, failure in (
        ("app@example.com", "SCRAM-SHA-256", None),
        ("APP@example.com", "PLAIN", None),
        ("old@example.com", "LOGIN", WRONG),
        ("new@example.com", "LOGIN", None),
        ("nobody@example.com", "LOGIN", WRONG),
        ("nobody@example.com", "AUTHENTICATE XOAUTH2", None),
    ):
        metrics.login_finished(FakeSession(), account, mechanism, failure, 70)
    assert values(metrics, "emailproxy_logins_total") == {
        ("managed", "ok", "imap"): 2,
        ("compatible", "wrong_credentials", "imap"): 1,
        ("unknown", "ok", "imap"): 1,
        ("unknown", "wrong_credentials", "imap"): 1,
        ("pass_through", "ok", "imap"): 1,
    }
    assert values(metrics, "emailproxy_login_duration_seconds_count")["ok", "imap"] == 4
    assert values(metrics, "emailproxy_login_duration_seconds_bucket")["0.05", "ok", "imap"] == 0
    assert values(metrics, "emailproxy_login_duration_seconds_bucket")["0.1", "ok", "imap"] == 4
    assert values(metrics, "emailproxy_login_duration_seconds_sum")["failed", "imap"] == pytest.approx(0.14)


def test_octets_of_live_and_closed_sessions_never_go_back(seen: FakeSeen, metrics: Metrics) -> None:
    first, second = (
        FakeSession(logged_in_at=time.time() - 100, octets=(10, 1000)),
        FakeSession(logged_in_at=time.time(), octets=(1, 2)),
    )
    waiting = FakeSession(server=SMTP)
    seen.live = [first, second, waiting]
    assert values(metrics, "emailproxy_sessions")["imap", "relay"] == 2
    assert values(metrics, "emailproxy_sessions")["smtp", "login"] == 1
    before = values(metrics, "emailproxy_relayed_bytes_total")
    assert (before["up", "imap"], before["down", "imap"], before["down", "pop"]) == (11, 1002, 0)
    seen.live = [second]
    metrics.session_closed(first)
    metrics.session_closed(waiting)
    assert values(metrics, "emailproxy_relayed_bytes_total") == before
    assert values(metrics, "emailproxy_session_duration_seconds_bucket")["60.0", "imap"] == 0
    assert values(metrics, "emailproxy_session_duration_seconds_bucket")["300.0", "imap"] == 1
    assert values(metrics, "emailproxy_session_duration_seconds_count")[("imap",)] == 1
    assert values(metrics, "emailproxy_session_duration_seconds_count")[("smtp",)] == 0


def test_tokens(seen: FakeSeen, metrics: Metrics) -> None:
    seen.broker.requests.note("refresh_token", "ok", 0.5)
    seen.broker.requests.note("refresh_token", "invalid_grant", 0.25)
    seen.broker.requests.note("urn:ietf:params:oauth:grant-type:device_code", "authorization_pending", 0.25)
    for number in range(1000):
        seen.broker.requests.note("refresh_token", f"made_up_{number}", 0)
    assert values(metrics, "emailproxy_token_requests_total") == {
        ("ok", "refresh_token"): 1,
        ("invalid_grant", "refresh_token"): 1,
        ("authorization_pending", "device_code"): 1,
        (OTHER, "refresh_token"): 1000,
    }
    assert value(metrics, "emailproxy_token_request_duration_seconds_sum") == 1
    assert value(metrics, "emailproxy_token_request_duration_seconds_count") == 1003
    assert not values(metrics, "emailproxy_access_token_min_remaining_seconds")
    now = time.time()
    seen.broker.held = [
        Holding(False, now - 5, None),
        Holding(False, now + 100, int(now) - 500),
        Holding(True, now + 3000, int(now) - 900),
        Holding(True, None, None),
    ]
    classes = {"expired": 1, "lt_5m": 1, "lt_15m": 0, "lt_1h": 1, "lt_1d": 0, "ge_1d": 0}
    assert values(metrics, "emailproxy_access_tokens") == {(name,): count for name, count in classes.items()}
    assert value(metrics, "emailproxy_access_token_min_remaining_seconds") == pytest.approx(100, abs=5)
    assert value(metrics, "emailproxy_refresh_token_max_age_seconds") == pytest.approx(900, abs=5)


def test_the_store(seen: FakeSeen, metrics: Metrics) -> None:
    assert value(metrics, "emailproxy_store_up") == 1
    unsaved = UnsavedAccount("u@example.com", 1, 1, None, "why")
    seen.told = replace(
        seen.told,
        ready=False,
        health=StoreHealth(reachable=False, reads=7, writes=3, failures=2),
        unsaved=(unsaved,),
        waiting=(WaitingAccount("u@example.com", "why"),),
        deferred=4,
    )
    assert values(metrics, "emailproxy_store_operations_total") == {("read",): 7, ("write",): 3}
    assert value(metrics, "emailproxy_store_failures_total") == 2
    assert value(metrics, "emailproxy_store_up") == 0
    assert value(metrics, "emailproxy_store_ready") == 0
    assert value(metrics, "emailproxy_accounts_unsaved") == 1
    assert value(metrics, "emailproxy_accounts_deferred") == 4
    assert value(metrics, "emailproxy_accounts_needing_consent") == 1


def test_listeners_and_their_certificates(metrics: Metrics, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path(str(path))
    metrics.listener_bound(replace(IMAP, local_certificate_path=path), [])
    metrics.listener_bound(POP, [])
    assert values(metrics, "emailproxy_listener_up") == {("IMAP-1993",): 1, ("POP-1995",): 1, ("SMTP-1587",): 0}
    [(labels, end)] = values(metrics, "emailproxy_tls_certificate_not_after_timestamp_seconds").items()
    assert labels == ("IMAP-1993",)
    assert end > time.time()
    metrics.listener_closed("IMAP-1993")
    assert not values(metrics, "emailproxy_tls_certificate_not_after_timestamp_seconds")


def test_the_configuration(seen: FakeSeen, metrics: Metrics) -> None:
    assert value(metrics, "emailproxy_config_last_reload_successful") == 1
    assert value(metrics, "emailproxy_config_last_reload_success_timestamp_seconds") == STARTED
    metrics.reloaded()
    seen.reloaded = STARTED + 5
    seen.wrong = (Fault("f", None, None, "x", "y"),)
    assert value(metrics, "emailproxy_config_reloads_total") == 1
    assert value(metrics, "emailproxy_config_last_reload_successful") == 0
    assert value(metrics, "emailproxy_config_last_reload_success_timestamp_seconds") == STARTED + 5
    assert value(metrics, "emailproxy_draining") == 0
    seen.stopping = True
    assert value(metrics, "emailproxy_draining") == 1


# --- how it is told -------------------------------------------------------------------------------------------------


async def test_both_formats(seen: FakeSeen, metrics: Metrics, tmp_path: Path) -> None:
    everything(seen, metrics, tmp_path)
    text = await scraped(metrics)
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"emailproxy_logins", "emailproxy_sessions", "process_cpu_seconds"} <= names
    assert (await scraped(metrics, "application/openmetrics-text; version=1.0.0")).endswith("# EOF\n")


async def test_nobody_is_named(seen: FakeSeen, metrics: Metrics, tmp_path: Path) -> None:
    everything(seen, metrics, tmp_path)
    text = await scraped(metrics)
    for private in ("old@", "example.com", "192.0.2", "story"):
        assert private not in text


# --- the documentation, the dashboard, the rules ----------------------------------------------------------------------


def families(metrics: Metrics) -> Iterator[Metric]:
    for family in metrics.registry.collect():
        if family.name.startswith("emailproxy_"):
            yield family


def shown_name(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def sample_names(seen: FakeSeen, metrics: Metrics, folder: Path) -> set[str]:
    everything(seen, metrics, folder)
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def test_the_documentation_has_every_metric_as_it_is(seen: FakeSeen, metrics: Metrics, tmp_path: Path) -> None:
    everything(seen, metrics, tmp_path)
    expected = []
    for family in families(metrics):
        ignored = {"le"} if family.type == "histogram" else set()
        labels = {label for sample in family.samples for label in sample.labels} - ignored
        shown = ", ".join(f"`{label}`" for label in sorted(labels))
        expected.append(f"| `{shown_name(family)}` | {family.type} | {shown} | {family.documentation} |")
    documented = [line for line in DOCUMENTATION.read_text().splitlines() if line.startswith("| `emailproxy_")]
    assert sorted(documented) == sorted(expected)


NAME = re.compile(r"\b(?:emailproxy|process|python)_[a-z_]+\b")


def expressions(value: object) -> Iterator[str]:
    """Every query in a dashboard."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"expr", "query"} and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def test_the_dashboard_asks_only_for_what_there_is(seen: FakeSeen, metrics: Metrics, tmp_path: Path) -> None:
    known = sample_names(seen, metrics, tmp_path)
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {name for expression in expressions(dashboard) for name in NAME.findall(expression)}
    assert len(asked) > 15
    assert asked <= known
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel.get("description") or panel["type"] == "row" for panel in dashboard["panels"])


def test_the_rules_ask_only_for_what_there_is(seen: FakeSeen, metrics: Metrics, tmp_path: Path) -> None:
    known = sample_names(seen, metrics, tmp_path)
    rules = RULES.read_text()
    # Descriptions tell of options too.
    asked = set(NAME.findall(re.sub(r"(?:summary|description): .*", "", rules)))
    assert len(asked) > 8
    assert asked <= known
    documented = re.findall(r"^\| `(Emailproxy\w+)`", DOCUMENTATION.read_text(), re.MULTILINE)
    assert documented == re.findall(r"- alert: (\w+)", rules)


@pytest.mark.parametrize("arguments", [("check", "rules", RULES.name), ("test", "rules", "emailproxy.rules.test.yml")])
def test_the_rules_by_prometheus_own_tool(arguments: tuple[str, ...]) -> None:
    """Each alert fires when it should, and none does on a healthy proxy."""
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not installed (Debian: prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run([promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
