"""The benchmark of the stores runs from beginning to end, and its figures are those that are promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

ROOT = Path(__file__).parents[2]


def test_a_warm_login_asks_nobody_and_a_reusable_refresh_writes_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks", "stores", "--rounds", "1", "--sdk", "azure", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found, rest = {}, done.stdout.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found[document["benchmark"]] = {
            row["name"]: {name: figure["median"] for name, figure in row["figures"].items()} for row in document["rows"]
        }
        rest = rest[end:].strip()
    starts, requests = found["stores: start"], found["stores: requests"]["azure"]
    assert set(starts) == {"no secret manager", "azure"}
    assert 0 < starts["no secret manager"]["s to listening"] < 30
    assert starts["azure"]["MiB"] > starts["no secret manager"]["MiB"] > 10
    assert requests["warm"] == 0
    assert 0 < requests["refresh, reusable"] < requests["refresh, rotating"] < requests["refresh, single_use"]
