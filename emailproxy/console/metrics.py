"""What is counted for Prometheus? Everything that happens, as it happens; what can be looked up is not (`gauges`).

One registry for one proxy, so that two in a process do not mix. No label ever has an account, a client's address or
words of a provider: their number is bounded by the code, not by who comes (docs/metrics.md has the whole list).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from emailproxy.audience import LiveSession, Nobody
from emailproxy.config import MailProtocol, Server
from emailproxy.config.pairs import certificate_ends
from emailproxy.console.gauges import Gauges, Seen
from emailproxy.failures import Failure, FailureKind
from emailproxy.relay import Ending

__all__ = ["Metrics"]

LOGIN_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds. From memory and a resumed TLS session: 5 to 100 ms; a refresh: up to a second; a person: up to a minute."""

SESSION_BUCKETS: Final = (1, 10, 60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""Seconds. SMTP lives in the first, IDLE is renewed after 29 minutes, and Exchange ends a session with its token."""

_PASSING: Final = ("XOAUTH2", "OAUTHBEARER")
"""Mechanisms by which only clients log in that bring a token of their own."""


class Metrics(Nobody):
    """An `emailproxy.audience.Audience` that counts.

    Args:
        seen: the live objects that are looked at when somebody asks.
    """

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self.registry = CollectorRegistry(auto_describe=False)
        self.gauges = Gauges(seen, time.time)
        self._logins = Counter(
            "emailproxy_logins_total",
            "Logins that were answered.",
            ["protocol", "account_class", "outcome"],
            registry=self.registry,
        )
        self._login_seconds = Histogram(
            "emailproxy_login_duration_seconds",
            "From the credentials to the answer, waits for people and providers included.",
            ["protocol", "outcome"],
            buckets=LOGIN_BUCKETS,
            registry=self.registry,
        )
        self._of_login: dict[tuple[MailProtocol, str, FailureKind | None], tuple[Counter, Histogram]] = {}
        connections = Counter(
            "emailproxy_connections_total", "Connections that were accepted.", ["protocol"], registry=self.registry
        )
        self._refused = Counter(
            "emailproxy_connections_refused_total",
            "Connections that were turned away because there were too many.",
            ["protocol"],
            registry=self.registry,
        )
        session_seconds = Histogram(
            "emailproxy_session_duration_seconds",
            "From the end of a login to the end of its session.",
            ["protocol"],
            buckets=SESSION_BUCKETS,
            registry=self.registry,
        )
        self._expired = Counter(
            "emailproxy_sessions_token_expired_total",
            "Sessions that the mail server ended because the access token that began them had ended, which is normal.",
            ["protocol"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "emailproxy_config_reloads_total", "Configurations that were put in force.", registry=self.registry
        )
        # All there from the start, so that a rate has a beginning.
        self._opened = {protocol: connections.labels(_shown(protocol)) for protocol in MailProtocol}
        self._session_seconds = {protocol: session_seconds.labels(_shown(protocol)) for protocol in MailProtocol}
        for protocol in MailProtocol:
            for family in (self._refused, self._expired):
                family.labels(_shown(protocol))
            self._login_seconds.labels(_shown(protocol), "ok")
        self.registry.register(self.gauges)
        ProcessCollector(registry=self.registry)

    def routes(self) -> list[BaseRoute]:
        """``/metrics``, in the format that the asker prefers."""

        async def answer(request: Request) -> Response:
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
            return Response(encode(self.registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

        return [Route("/metrics", answer, methods=["GET"])]

    # --- what is told -------------------------------------------------------------------------------------------------

    def session_opened(self, session: LiveSession) -> None:
        """See `Audience`."""
        self._opened[session.server.protocol].inc()

    def session_closed(self, session: LiveSession) -> None:
        """See `Audience`."""
        if session.logged_in_at is not None:
            protocol = session.server.protocol
            self._session_seconds[protocol].observe(max(0.0, time.time() - session.logged_in_at))
            self.gauges.add_closed(protocol, session.octets)
            if session.ending == Ending.TOKEN_EXPIRED.value:
                self._expired.labels(_shown(protocol)).inc()

    def connection_refused(self, server: Server, client: str, failure: Failure) -> None:
        """See `Audience`."""
        del client, failure
        self._refused.labels(_shown(server.protocol)).inc()

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """See `Audience`."""
        key = session.server.protocol, self._class_of(account, mechanism), failure.kind if failure is not None else None
        counted = self._of_login.get(key)
        if counted is None:  # to find a metric by its labels costs more than all the rest
            protocol, outcome = _shown(key[0]), "ok" if failure is None else "failed"
            counted = self._of_login[key] = (
                self._logins.labels(protocol, key[1], outcome_of(failure.kind) if failure is not None else outcome),
                self._login_seconds.labels(protocol, outcome),
            )
        counted[0].inc()
        counted[1].observe(milliseconds / 1000)

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """See `Audience`."""
        del addresses
        self.gauges.certificates[server.section] = certificate_ends(server.local_certificate_path)

    def listener_closed(self, section: str) -> None:
        """See `Audience`."""
        self.gauges.certificates.pop(section, None)

    def reloaded(self) -> None:
        """See `Audience`."""
        self._reloads.inc()

    def _class_of(self, account: str, mechanism: str) -> str:
        if mechanism.upper().endswith(_PASSING):
            return "pass_through"
        known = self._seen.config().account(account)
        managed = self._seen.broker.is_managed(known.name) if known is not None else None
        return "unknown" if managed is None else "managed" if managed else "compatible"


def outcome_of(kind: FailureKind) -> str:
    """The label of a failure."""
    return kind.name.lower()


def _shown(protocol: MailProtocol) -> str:
    return protocol.value.lower()
