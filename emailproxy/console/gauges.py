"""What does Prometheus see that nobody counts? Looked up in the live objects when it asks, and never otherwise.

Nothing here waits, and nothing asks the store: what is said of tokens is what is held in memory.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from emailproxy import __version__
from emailproxy.audience import LiveSession
from emailproxy.config import Config, Fault, MailProtocol
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.counting import Holding, TokenRequests
from emailproxy.status import Status

__all__ = ["Broker", "Gauges", "PendingConsents", "Seen"]

REMAINING: Final = (("expired", 0.0), ("lt_5m", 300.0), ("lt_15m", 900.0), ("lt_1h", 3600.0), ("lt_1d", 86400.0))
"""Classes of access tokens by the seconds that are left, each up to its bound; `LONGER` beyond. A token is refreshed at
a login that finds less than 600 s, so what is in the first two belongs to accounts that nobody uses now."""
LONGER: Final = "ge_1d"


class Broker(Protocol):
    """What is asked of the token broker."""

    @property
    def requests(self) -> TokenRequests:
        """The requests to token endpoints so far."""
        ...

    def holdings(self) -> list[Holding]:
        """What is held in memory, account by account."""
        ...

    def is_managed(self, account: str) -> bool | None:
        """Whether this account has app passwords; None: nothing is held for it."""
        ...


class PendingConsents(Protocol):
    """What is asked of the consents."""

    def pending(self) -> Sequence[Pending]:
        """The authorisations that wait for a person."""
        ...


class Seen(Protocol):
    """The live objects of a running proxy that are looked at."""

    @property
    def config(self) -> Callable[[], Config]:
        """The configuration in force."""
        ...

    @property
    def faults(self) -> Callable[[], Sequence[Fault]]:
        """What was wrong with the file when it was last read."""
        ...

    @property
    def sessions(self) -> Callable[[], Sequence[LiveSession]]:
        """The sessions that are alive now."""
        ...

    @property
    def status(self) -> Callable[[], Status]:
        """What the status file says."""
        ...

    @property
    def draining(self) -> Callable[[], bool]:
        """Whether the proxy has been told to stop."""
        ...

    @property
    def reloaded_at(self) -> Callable[[], float | None]:
        """Unix time of the last reload."""
        ...

    @property
    def broker(self) -> Broker:
        """Knows the tokens."""
        ...

    @property
    def consents(self) -> PendingConsents:
        """Know who is asked."""
        ...


class Gauges(Collector):
    """Computed when they are asked for.

    Args:
        seen: the live objects.
        now: Unix time.

    Attributes:
        certificates: when each listener's certificate ends; None: it has none.
    """

    def __init__(self, seen: Seen, now: Callable[[], float]) -> None:
        self._seen = seen
        self._now = now
        self._closed: Counter[tuple[MailProtocol, str]] = Counter()
        self.certificates: dict[str, float | None] = {}

    def add_closed(self, protocol: MailProtocol, octets: tuple[int, int]) -> None:
        """A session is over; what it has carried goes on counting."""
        self._closed[protocol, "up"] += octets[0]
        self._closed[protocol, "down"] += octets[1]

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        yield from self._of_process()
        yield from self._of_sessions()
        yield from self._of_tokens()
        yield from self._of_store()

    def _of_process(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "emailproxy_build_info", "Always 1; the labels say what runs.", labels=["version", "python"]
        )
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        started = self._seen.status().started
        yield GaugeMetricFamily("emailproxy_start_time_seconds", "Unix time at which the proxy started.", started)
        yield GaugeMetricFamily(
            "emailproxy_draining", "1 when the proxy has been told to stop.", int(self._seen.draining())
        )
        yield GaugeMetricFamily(
            "emailproxy_config_last_reload_successful",
            "0 when the configuration file had faults when it was last read; the one before is in force.",
            int(not self._seen.faults()),
        )
        yield GaugeMetricFamily(
            "emailproxy_config_last_reload_success_timestamp_seconds",
            "Unix time at which the configuration in force was read.",
            self._seen.reloaded_at() or started,
        )
        config = self._seen.config()
        yield GaugeMetricFamily(
            "emailproxy_configured_accounts", "Accounts with a section of their own.", len(config.accounts)
        )
        listening = GaugeMetricFamily(
            "emailproxy_listener_up", "1 for each server section that is served, 0 if it is not.", labels=["listener"]
        )
        ends = GaugeMetricFamily(
            "emailproxy_tls_certificate_not_after_timestamp_seconds",
            "Unix time at which the certificate of a listener ends.",
            labels=["listener"],
        )
        for server in config.servers:
            listening.add_metric([server.section], int(server.section in self.certificates))
        for section, end in self.certificates.items():
            if end is not None:
                ends.add_metric([section], end)
        yield listening
        yield ends

    def _of_sessions(self) -> Iterator[Metric]:
        live: Counter[tuple[MailProtocol, str]] = Counter()
        carried = self._closed.copy()
        for session in self._seen.sessions():
            protocol = session.server.protocol
            if session.logged_in_at is None:
                live[protocol, "login"] += 1
            else:
                live[protocol, "relay"] += 1
                up, down = session.octets
                carried[protocol, "up"] += up
                carried[protocol, "down"] += down
        sessions = GaugeMetricFamily(
            "emailproxy_sessions", "Connections of mail clients that are open.", labels=["protocol", "state"]
        )
        octets = CounterMetricFamily(
            "emailproxy_relayed_bytes",
            "Octets relayed after login, without TLS: up is towards the mail server.",
            labels=["protocol", "direction"],
        )
        for protocol in MailProtocol:
            for state in ("login", "relay"):
                sessions.add_metric([protocol.value.lower(), state], live[protocol, state])
            for direction in ("up", "down"):
                octets.add_metric([protocol.value.lower(), direction], carried[protocol, direction])
        yield sessions
        yield octets

    def _of_tokens(self) -> Iterator[Metric]:
        broker, now = self._seen.broker, self._now()
        requests = CounterMetricFamily(
            "emailproxy_token_requests",
            "Requests to token endpoints, by what came of them.",
            labels=["grant", "code"],
        )
        asked = broker.requests
        for (grant, code), count in sorted(asked.answers.items()):
            requests.add_metric([grant, code], count)
        yield requests
        yield SummaryMetricFamily(
            "emailproxy_token_request_duration_seconds",
            "How long requests to token endpoints took.",
            count_value=asked.answers.total(),
            sum_value=asked.seconds,
        )
        holdings = broker.holdings()
        left = [each.expires_at - now for each in holdings if each.expires_at is not None]
        classes = Counter(_remaining(seconds) for seconds in left)
        tokens = GaugeMetricFamily(
            "emailproxy_access_tokens", "Access tokens in memory, by the time that is left.", labels=["remaining"]
        )
        for name in (*(name for name, _ in REMAINING), LONGER):
            tokens.add_metric([name], classes[name])
        yield tokens
        least = GaugeMetricFamily(
            "emailproxy_access_token_min_remaining_seconds",
            "Seconds until the first access token in memory ends that has not yet; absent if there is none.",
        )
        good = [seconds for seconds in left if seconds > 0]
        if good:
            least.add_metric([], min(good))
        yield least
        oldest = GaugeMetricFamily(
            "emailproxy_refresh_token_max_age_seconds",
            "Age of the oldest refresh token in memory; absent where nobody knows.",
        )
        ages = [now - each.refresh_issued for each in holdings if each.refresh_issued is not None]
        if ages:
            oldest.add_metric([], max(ages))
        yield oldest
        yield GaugeMetricFamily(
            "emailproxy_consents_pending",
            "Authorisations that wait for a person to sign in.",
            len(self._seen.consents.pending()),
        )

    def _of_store(self) -> Iterator[Metric]:
        status = self._seen.status()
        health = status.health
        calls = CounterMetricFamily("emailproxy_store_operations", "Calls of the store.", labels=["operation"])
        calls.add_metric(["read"], health.reads)
        calls.add_metric(["write"], health.writes)
        yield calls
        yield CounterMetricFamily(
            "emailproxy_store_failures", "Calls of the store that were not answered.", health.failures
        )
        yield GaugeMetricFamily(
            "emailproxy_store_up",
            "Whether the last call of the store was answered; 1 too if there was none yet.",
            int(health.reachable is not False),
        )
        yield GaugeMetricFamily(
            "emailproxy_store_ready", "Whether the store has answered since the start.", int(status.ready)
        )
        yield GaugeMetricFamily(
            "emailproxy_accounts_unsaved",
            "Accounts whose new tokens could not be stored yet, and are in memory only.",
            len(status.unsaved),
        )
        yield GaugeMetricFamily(
            "emailproxy_accounts_deferred",
            "Accounts whose newer refresh token is written later on purpose.",
            status.deferred,
        )
        yield GaugeMetricFamily(
            "emailproxy_accounts_needing_consent",
            "Accounts that cannot log in until a person signs in.",
            len(status.waiting),
        )


def _remaining(seconds: float) -> str:
    return next((name for name, bound in REMAINING if seconds <= bound), LONGER)
