"""What do these tests need, and what happens without it? They skip and say so; with CI=true they fail."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.terraform.opentofu import VERSION, cache
from tests.terraform.tofu import Tofu


def missing(what: str) -> NoReturn:
    """End this test: `what` is not there."""
    sentence = f"{what}; nox -s terraform installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    for name in ("grpc", "hcl2", "jsonschema", "tree_sitter_powershell", "yaml"):
        if importlib.util.find_spec(name) is None:
            missing(f"the Python package {name} is missing")


@pytest.fixture(scope="session")
def tofu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tofu]:
    """OpenTofu with all providers stood in for. It is not built here: that takes minutes, and a test has seconds."""
    program = cache() / f"tofu-{VERSION}"
    if not program.exists():
        missing(f"OpenTofu {VERSION} is missing")
    with Tofu.serving(program, tmp_path_factory.mktemp("tofu")) as served:
        yield served
