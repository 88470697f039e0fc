from __future__ import annotations

import subprocess
import sys

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy.store.registry import open_store


def test_a_missing_sdk_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(StoreAddressError, match=r"pip install 'emailproxy-cloud\[azure\]'"):
        open_store("azure:vault")


def test_a_malformed_address_needs_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(StoreAddressError, match="no name of a vault"):
        open_store("azure:x")


def test_the_entry_point_imports_no_sdk() -> None:
    code = "import emailproxy_backends.azure, sys; sys.exit('azure' in sys.modules or 'azure.core' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
