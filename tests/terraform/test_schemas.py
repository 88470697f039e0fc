from __future__ import annotations

from pathlib import Path

import pytest

from tests.terraform.parsing import TERRAFORM, blocks, folders, plain, used_types
from tests.terraform.schemas import PACKAGES, load, versions


def test_there_is_a_schema_of_every_type_in_use_and_of_no_other() -> None:
    kept = {(kind, name) for provider in PACKAGES for kind in ("resource", "data") for name in load(provider)[kind]}
    assert kept == used_types(TERRAFORM)


@pytest.mark.parametrize("provider", sorted(PACKAGES))
def test_a_schema_says_where_it_is_from(provider: str) -> None:
    schema = load(provider)
    assert schema["package"] == f"@cdktf/provider-{provider}@{PACKAGES[provider]}"
    assert schema["version"].count(".") == 2


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_provider_is_bounded_by_the_version_that_was_looked_at(folder: Path) -> None:
    known = versions()
    for block in blocks(folder):
        for providers in block.body.get("required_providers", []) if block.kind == "terraform" else []:
            for name, said in providers.items():
                if name.startswith("__"):
                    continue
                values = {key: plain(value) for key, value in said.items()}
                major = int(known[name].split(".")[0])
                assert values == {
                    "source": f"hashicorp/{name}",
                    "version": f">= {known[name].rpartition('.')[0]}.0, < {major + 1}.0.0",
                }
