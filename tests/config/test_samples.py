"""Each sample is a configuration that loads, complete but for its placeholders."""

from __future__ import annotations

import dataclasses

import pytest

from emailproxy.config import PROVIDERS, MailProtocol, sample
from emailproxy.config.providers import KNOWN

from .conftest import Load


def test_providers() -> None:
    assert list(PROVIDERS) == [
        "office365", "outlook", "gmail", "workspace", "fastmail", "yahoo", "aol", "21vianet", "us-gov",
    ]  # fmt: skip
    assert all(PROVIDERS.values())
    assert set(PROVIDERS) == set(KNOWN), "a provider without a sample"


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("provider", [None, *PROVIDERS])
def test_loads_with_nothing_but_placeholders(loaded: Load, provider: str | None, full: bool) -> None:
    text = sample(provider, full=full)
    outcome = loaded(text)
    config = outcome.good
    assert {warning.problem for warning in outcome.warnings} == {"this is still the sample's text"}
    count = len(PROVIDERS) if provider is None else 1
    assert [server.protocol for server in config.servers] == list(MailProtocol) * count
    assert len(config.accounts) == count
    assert all(server.local_address == "localhost" for server in config.servers)
    assert all(account.token_url.startswith("https://") for account in config.accounts.values())
    # STARTTLS where the port says so.
    assert all(server.server_starttls == (server.server_port == 587) for server in config.servers)
    assert max(map(len, text.splitlines())) <= 220
    assert text.endswith("\n")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_both_forms_say_the_same(loaded: Load, provider: str) -> None:
    short, full = (loaded(sample(provider, full=full)).good for full in (False, True))
    assert short.servers == full.servers
    (named,) = short.accounts.values()
    (written,) = full.accounts.values()
    assert named.provider == provider
    assert dataclasses.replace(named, provider=None, provider_servers=()) == written
    assert len(sample(provider)) < len(sample(provider, full=True))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_variants_load_when_they_are_uncommented(loaded: Load, provider: str) -> None:
    text = sample(provider)
    variant = text[text.rindex("\n# [") :] if "\n# [" in text[text.index("\n[") :] else ""
    outcome = loaded(text + "\n" + variant.replace("\n# ", "\n"))
    assert len(outcome.good.accounts) == 1 + bool(variant)


def test_unknown_provider() -> None:
    with pytest.raises(ValueError, match="'hotmail'; there are office365, outlook, gmail"):
        sample("hotmail")
