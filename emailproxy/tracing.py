"""Where did the time of a login go? Spans for OpenTelemetry: the login, and in it token, dial, TLS, authentication.

On when the environment names a collector (``OTEL_EXPORTER_OTLP_ENDPOINT`` and its relatives) and the extra ``otel``
is installed. The core knows nothing of it: what a login uses is wrapped, so that without it nothing is imported and
nothing costs anything. No span has an account or an address of a client: ``emailproxy.ref`` leads to the log.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from emailproxy import __version__
from emailproxy.audience import LiveSession, Nobody
from emailproxy.config import Account, MailServer, Server
from emailproxy.connection import Connection, Scratch
from emailproxy.dialling import Dialler
from emailproxy.failures import Failure, LoginFailed, ProxyError
from emailproxy.login import Tokens
from emailproxy.oauth.tokens import AccessToken
from emailproxy.protocols.events import Upstream
from emailproxy.protocols.proofs import Proof
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import Answer, ClientHello, JoinedUpstream, UpstreamServers

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

__all__ = ["TracedTokens", "TracedUpstreams", "Tracing", "open_tracing"]

log = logging.getLogger("emailproxy.app")

LAST_SPANS: Final = 3.0
"""Seconds in which the last spans are sent when the proxy ends; mail does not depend on them."""

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def open_tracing(environment: Mapping[str, str] | None = None, exporter: SpanExporter | None = None) -> Tracing | None:
    """Tracing as the environment asks for it; None if it does not, or if the extra is missing (which is said).

    Args:
        environment: the process's, if None.
        exporter: takes the spans in place of OTLP over HTTP.
    """
    variables = os.environ if environment is None else environment
    wanted = any(variables.get(name) for name in _ENDPOINTS) or exporter is not None
    if not wanted or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("%s is set, and traces need the extra otel: install emailproxy-cloud[otel]", _ENDPOINTS[1])
        return None
    if exporter is None:
        exporter = OTLPSpanExporter()
    name = variables.get("OTEL_SERVICE_NAME") or "emailproxy"
    resource = Resource.create({"service.name": name, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # our own: no global is set
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)


class Tracing(Nobody):
    """An `emailproxy.audience.Audience` that ends the span of a login; its parts begin it.

    Args:
        provider: makes the spans; is shut down by `close`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer("emailproxy", __version__)
        # Each session is a task of its own, with variables of its own.
        self._login: ContextVar[Span | None] = ContextVar("login", default=None)
        self._current: ContextVar[Span | None] = ContextVar("current", default=None)

    @contextmanager
    def part(self, name: str, attributes: Mapping[str, str | int | bool] | None = None) -> Iterator[Span]:
        """A span within what this task is doing: at first within the login, which begins with its first part."""
        login = self._login.get()
        if login is None:
            login = self._tracer.start_span("login")
            self._login.set(login)
        parent = self._current.get() or login
        context = self._trace.set_span_in_context(parent)
        span = self._tracer.start_span(name, context=context, attributes=dict(attributes or {}))
        inner = self._current.set(span)
        try:
            yield span
        except LoginFailed as error:
            self._fail(span, error.failure.kind.value)
            raise
        except (ProxyError, OSError) as error:
            self._fail(span, type(error).__name__)
            raise
        finally:
            self._current.reset(inner)
            span.end()

    def step(self, name: str) -> AbstractContextManager[Span | None]:
        """The same where a part is under way; elsewhere (a probe) nothing."""
        return self.part(name) if self._current.get() is not None else nullcontext()

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """See `Audience`."""
        del account
        span = self._login.get()
        if span is None:  # it ended before anything that takes time
            span = self._tracer.start_span("login", start_time=time.time_ns() - int(milliseconds * 1e6))
        self._login.set(None)
        span.set_attribute("emailproxy.listener", session.server.section)
        span.set_attribute("emailproxy.protocol", session.server.protocol.value)
        span.set_attribute("emailproxy.mechanism", mechanism)
        span.set_attribute("emailproxy.session", session.id)
        span.set_attribute("emailproxy.outcome", "ok" if failure is None else failure.kind.value)
        if failure is not None:
            span.set_attribute("emailproxy.ref", failure.reference)
            self._fail(span, failure.kind.value)
        span.end()

    async def close(self) -> None:
        """Send what is left, if that goes quickly."""
        with trio.move_on_after(LAST_SPANS, shield=True):
            await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)

    def _fail(self, span: Span, why: str) -> None:
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, why))


class TracedTokens:
    """`Tokens` whose work is a part of the login's span."""

    def __init__(self, tracing: Tracing, tokens: Tokens) -> None:
        self._tracing = tracing
        self._tokens = tokens

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        """See `Tokens`."""
        with self._tracing.part("token from memory") as span:
            token = self._tokens.at_hand(account, password, client=client, server=server)
            span.set_attribute("emailproxy.found", token is not None)
            return token

    async def token(
        self,
        account: Account,
        password: Secret,
        *,
        refused: AccessToken | None = None,
        client: str = "",
        server: Server | None = None,
    ) -> AccessToken:
        """See `Tokens`."""
        again = refused is not None
        with self._tracing.part("token", {"emailproxy.flow": account.oauth2_flow, "emailproxy.again": again}):
            return await self._tokens.token(account, password, refused=refused, client=client, server=server)

    async def prove(self, account: Account, proof: Proof, *, client: str, server: Server) -> tuple[Secret, bytes]:
        """See `Tokens`."""
        with self._tracing.part("proof", {"emailproxy.mechanism": proof.mechanism}):
            return await self._tokens.prove(account, proof, client=client, server=server)

    def vouch(self, account: Account) -> Secret:
        """See `Tokens`."""
        return self._tokens.vouch(account)

    async def refuse_unknown(self, user: str, password: Secret, *, client: str = "") -> NoReturn:
        """See `Tokens`."""
        with self._tracing.part("unknown account"):
            await self._tokens.refuse_unknown(user, password, client=client)


class TracedUpstreams(UpstreamServers):
    """`UpstreamServers` whose steps are parts of the login's span. What a probe does is none."""

    def __init__(self, tracing: Tracing, tls: UpstreamTls, scratch: Scratch) -> None:
        super().__init__(tls, scratch)
        self._tracing = tracing
        self._dialler = _TracedDialler(tracing)

    async def log_in(self, server: MailServer, user: str, token: Secret, hello: ClientHello) -> JoinedUpstream:
        """See `UpstreamServers`."""
        with self._tracing.part("mail server", {"server.address": server.address, "server.port": server.port}):
            return await super().log_in(server, user, token, hello)

    async def _start_tls(self, connection: Connection, server: MailServer) -> None:
        with self._tracing.step("tls") as span:
            await super()._start_tls(connection, server)
            if span is not None and connection.tls is not None:
                span.set_attribute("tls.resumed", bool(connection.tls.session_reused))

    async def _converse(self, connection: Connection, machine: Upstream, server: MailServer) -> Answer:
        with self._tracing.step("authentication"):
            return await super()._converse(connection, machine, server)


class _TracedDialler(Dialler):
    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    async def redial(
        self, host: str, port: int, meanwhile: Callable[[socket.socket], None] | None = None
    ) -> socket.socket | None:
        """See `Dialler`."""
        with self._tracing.step("dial again"):
            return await super().redial(host, port, meanwhile)

    async def dial(self, host: str, port: int) -> socket.socket:
        """See `Dialler`."""
        with self._tracing.step("dial"):
            return await super().dial(host, port)
