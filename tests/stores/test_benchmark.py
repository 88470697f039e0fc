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
    command = [sys.executable, "-m", "benchmarks", "stores", "--set", "rounds=1", "--sdk", "azure", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    starts, requests = (
        {row["name"]: {name: figure["median"] for name, figure in row["figures"].items()} for row in one["rows"]}
        for one in json.loads(done.stdout)["tables"]
    )
    assert set(starts) == {"no secret manager", "azure"}
    assert 0 < starts["no secret manager"]["s to listening"] < 30
    assert starts["azure"]["MiB"] > starts["no secret manager"]["MiB"] > 10
    assert requests["azure"]["warm"] == 0
    asked = requests["azure"]
    assert 0 < asked["refresh, reusable"] < asked["refresh, rotating"] < asked["refresh, single_use"]
