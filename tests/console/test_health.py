"""When the proxy says that it is alive, and when that it is ready."""

from __future__ import annotations

from dataclasses import replace

import httpx2
from starlette.applications import Starlette

from emailproxy.config import Fault
from emailproxy.console.health import Health
from emailproxy.store.health import StoreHealth

from .seen import SERVERS, STARTED, FakeSeen


async def asked(health: Health, path: str) -> tuple[int, dict[str, object]]:
    app = Starlette(routes=health.routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://proxy") as client:
        answer = await client.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert (await client.head(path)).status_code == answer.status_code
    return answer.status_code, answer.json()


def health_of(seen: FakeSeen) -> Health:
    return Health(seen, now=lambda: STARTED + 12.34)


async def test_alive_as_long_as_it_answers() -> None:
    assert await asked(health_of(FakeSeen()), "/livez") == (200, {"live": True, "uptime_seconds": 12.3})


async def test_ready() -> None:
    assert await asked(health_of(FakeSeen()), "/readyz") == (
        200,
        {
            "ready": True,
            "checks": {
                "listeners": {"ok": True, "reason": "3 of 3 are bound"},
                "configuration": {"ok": True, "reason": "what is in the file is in force"},
                "store": {"ok": True, "reason": "the store answers"},
                "draining": {"ok": True, "reason": "no"},
            },
        },
    )


async def test_not_ready_without_a_listener() -> None:
    seen = FakeSeen()
    health = health_of(seen)
    seen.bound = [SERVERS[0]]
    assert (await asked(health, "/readyz"))[0] == 200
    seen.bound = []
    status, _ = await asked(health, "/readyz")
    assert status == 503
    assert health.checks["listeners"].reason == "0 of 3 are bound"


async def test_not_ready_when_draining() -> None:
    seen = FakeSeen()
    health = health_of(seen)
    seen.stopping = True
    status, said = await asked(health, "/readyz")
    assert (status, said["ready"]) == (503, False)
    assert not health.checks["draining"].ok


async def test_a_store_that_never_answered_and_one_that_did() -> None:
    seen = FakeSeen()
    health = health_of(seen)
    seen.told = replace(seen.told, ready=False)
    assert (await asked(health, "/readyz"))[0] == 503
    seen.told = replace(
        seen.told, ready=True, health=StoreHealth(reachable=False, last_error="vault.example.com is down")
    )
    status, said = await asked(health, "/readyz")
    assert status == 200
    assert "accounts that are in memory are served" in str(said)
    assert "vault" not in str(said), "anybody may ask"


async def test_a_faulty_file_sends_nobody_away() -> None:
    seen = FakeSeen()
    seen.wrong = (Fault("emailproxy.config", "IMAP-1", None, "it is wrong", "make it right"),)
    health = health_of(seen)
    assert (await asked(health, "/readyz"))[0] == 200
    assert "faults" in health.checks["configuration"].reason
