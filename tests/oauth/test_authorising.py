from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx2
import pytest
import trio

from emailproxy.config.model import Settings
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.authorising import Desk, authorise
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.opened import AccessToken
from tests.patience import HANG
from tests.ports import reserve

from .support import ACCOUNT, FEW, PASSWORD, WRONG, MemoryRecords, Provider, grant, query_of, sealed_record, unattended


async def get(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=HANG) as browser:
        return await browser.get(url)


@pytest.fixture
def port() -> Iterator[int]:
    with ExitStack() as held:
        yield reserve(held)


async def test_a_browser_on_this_machine(port: int) -> None:
    """It is opened, its answer is received, and it is shown a page before the end."""
    records, pages = MemoryRecords(), list[int]()
    account = replace(ACCOUNT, redirect_uri=f"http://localhost:{port}/done")

    def browser(url: str) -> None:
        answer = trio.from_thread.run(get, f"{account.redirect_uri}?code=abc&state={query_of(url)['state']}")
        pages.append(answer.status_code)

    shown: list[Pending] = []
    with trio.fail_after(HANG):
        result = await authorise(
            records,
            Settings(),
            account,
            PASSWORD,
            Desk(shown.append, browser, pastes=False),
            transport=Provider(grant("access", "refresh")),
            iterations=FEW,
        )
    assert isinstance(result, AccessToken)
    assert pages == [200]
    assert len(shown) == 1
    assert records.record.refresh_token is not None


async def test_a_device_code_needs_neither_browser_nor_listener() -> None:
    records, shown = MemoryRecords(), list[Pending]()
    account = unattended("device", device_authorization_url="https://provider.test/device")
    code = {
        "device_code": "d",
        "user_code": "ABCD",
        "verification_uri": "https://provider.test/enter",
        "interval": 0.01,
    }
    provider = Provider(httpx2.Response(200, json=code), grant("access", "refresh"))
    with trio.fail_after(HANG):
        result = await authorise(
            records, Settings(), account, PASSWORD, Desk(shown.append), transport=provider, iterations=FEW
        )
    assert isinstance(result, AccessToken)
    assert [one.question.user_code for one in shown] == ["ABCD"]


async def test_a_failure_is_a_result() -> None:
    records = MemoryRecords()
    records.put(sealed_record())
    with trio.fail_after(HANG):
        result = await authorise(
            records, Settings(), ACCOUNT, WRONG, Desk(print, receives=False, pastes=False), iterations=FEW
        )
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.WRONG_CREDENTIALS
