"""The spans of logins through a whole proxy; and that nothing is imported when nobody wants any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from emailproxy.app import Options, Proxy
from emailproxy.config import load
from emailproxy.testing.provider import USER, Provider
from emailproxy.tracing import Tracing, open_tracing

from .conftest import FreePort
from .test_app import Client, account, provider, section

__all__ = ["provider"]


class Collector:
    """Takes spans, as an exporter of OTLP would."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, spans: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def tracing(collector: Collector) -> Tracing:
    tracing = open_tracing({"OTEL_SERVICE_NAME": "mail"}, collector)
    if tracing is None:
        reason = "the extra otel is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return tracing


async def test_the_parts_of_logins(
    tmp_path: Path, provider: Provider, free_port: FreePort, tracing: Tracing, collector: Collector
) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text("[emailproxy]\nconsole_listen = off\n" + section(port, provider) + account(provider))
    async with trio.open_nursery() as nursery:
        proxy = Proxy(load(path), Options(local_server_auth=True), tracing=tracing)
        await nursery.start(proxy.run)
        for number in range(4):
            client = await Client.connect(port)
            password = "secret" if number < 3 else "wrong"
            reply = await client.command(f"a LOGIN {USER} {password}")
            assert reply.startswith("a OK" if number < 3 else "a NO")
            await client.stream.aclose()
        proxy.stop()
    by_id = {span.context.span_id: span for span in collector.spans}

    def path_of(span: Any) -> str:
        parent = by_id[span.parent.span_id] if span.parent is not None else None
        return f"{path_of(parent)}/{span.name}" if parent is not None else str(span.name)

    logins = sorted((span for span in collector.spans if span.parent is None), key=lambda span: span.start_time)
    assert [span.name for span in logins] == ["login"] * 4, "probes are none"
    trees = [
        sorted(path_of(span) for span in collector.spans if span.context.trace_id == login.context.trace_id)
        for login in logins
    ]
    memory, steps = "login/token from memory", ["login/mail server"]
    steps += [f"login/mail server/{step}" for step in ("authentication", "tls")]
    assert [path for path in trees[0] if "/dial" not in path] == sorted(["login", memory, "login/token", *steps])
    assert any("/dial" in path for path in trees[0])
    # The second looks into the store once more; from then on memory is trusted.
    assert [path for path in trees[2] if "/dial" not in path] == sorted(["login", memory, *steps])
    assert trees[3] == ["login", "login/token", memory]
    first, *_, wrong = logins
    assert dict(first.attributes) == {
        "emailproxy.listener": f"IMAP-{port}",
        "emailproxy.protocol": "IMAP",
        "emailproxy.mechanism": "LOGIN",
        "emailproxy.session": "00000001",
        "emailproxy.outcome": "ok",
    }
    assert first.resource.attributes["service.name"] == "mail"
    assert wrong.status.description == wrong.attributes["emailproxy.outcome"] == "wrong credentials"
    assert len(wrong.attributes["emailproxy.ref"]) == 4
    for span in collector.spans:
        inside = by_id[span.parent.span_id] if span.parent is not None else span
        assert inside.start_time <= span.start_time <= span.end_time <= inside.end_time
        assert USER not in span.to_json()
        assert "127.0.0.1" not in span.to_json()


def test_nobody_wants_any() -> None:
    assert open_tracing({}) is None
    assert open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}) is None


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    assert open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}) is None
    assert "install emailproxy-cloud[otel]" in caplog.text


def test_nothing_is_imported_without_a_wish() -> None:
    code = "import sys, emailproxy.cli, emailproxy.tracing as t; t.open_tracing(); "
    code += (
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client', 'starlette'))])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "[]\n", done.stderr
