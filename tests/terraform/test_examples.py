"""Each example applied with mocked clouds: its state holds no secret, and the proxy understands what comes out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from emailproxy.cli import cli
from emailproxy.config import Config
from emailproxy.deploying.outputs import as_myself, read
from emailproxy.deploying.writing import checked
from tests.terraform.parsing import TERRAFORM
from tests.terraform.pictures import FOLDER
from tests.terraform.tofu import Tofu

_BLOCK = re.MULTILINE | re.DOTALL
EXAMPLES = sorted(path for path in (TERRAFORM / "examples").iterdir() if path.is_dir())
# As in the variables of each example's tests.
SEAL_KEY = "seal1_0123456789012345678901234567890123456789012"


def applied(tofu: Tofu, folder: Path) -> dict[str, Any]:
    """The state after the first run of the example's tests, as `tofu show -json` prints one."""
    for line in tofu(tofu.initialised(folder), "test", "-json", "-verbose").splitlines():
        message: dict[str, Any] = json.loads(line)
        if message["type"] == "test_state":
            state: dict[str, Any] = message["test_state"]
            return state
    raise AssertionError("no run of its tests applies")


@pytest.fixture(params=EXAMPLES, ids=[path.name for path in EXAMPLES])
def state(request: pytest.FixtureRequest, tofu: Tofu) -> dict[str, Any]:
    return applied(tofu, request.param)


def test_the_service_key_is_nowhere_in_the_state(request: pytest.FixtureRequest, state: dict[str, Any]) -> None:
    text = json.dumps(state)
    assert "-service-key" in text or "_service_key" in text, "the service key was not made, so this tests nothing"
    assert SEAL_KEY not in text
    assert SEAL_KEY.removeprefix("seal1_") not in text


def test_the_proxy_understands_the_outputs(state: dict[str, Any], tmp_path: Path) -> None:
    outputs = json.dumps(state["values"]["outputs"]).encode()
    config: Config = checked(read(outputs), tmp_path / "emailproxy.config")
    assert {server.protocol.value for server in config.servers} == {"IMAP", "SMTP"}
    assert config.accounts
    mine = as_myself(read(outputs))
    assert "identity=" not in mine.cache_store + json.dumps(dict(mine.sections))


def test_the_chart_takes_its_values(tofu: Tofu) -> None:
    import jsonschema
    import yaml

    folder = TERRAFORM / "examples" / "kubernetes-azure"
    values = yaml.safe_load(applied(tofu, folder)["values"]["outputs"]["helm_values"]["value"])
    chart = TERRAFORM.parent / "infra" / "helm" / "emailproxy"
    defaults = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    schema = json.loads((chart / "values.schema.json").read_text("utf-8"))
    # As Helm does it: its values over those of the chart, one level down at least.
    merged = defaults | {
        key: defaults[key] | value if isinstance(value, dict) and isinstance(defaults.get(key), dict) else value
        for key, value in values.items()
    }
    jsonschema.validate(merged, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged | {"cachestore": "x"}, schema)
    assert values.keys() <= defaults.keys()


def test_the_document_shows_what_is_printed(tofu: Tofu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/deploy/azure.md: the command typed, with the outputs of the example."""
    outputs = applied(tofu, TERRAFORM / "examples" / "azure-vm-managed-identity")["values"]["outputs"]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["deploy-config", "--own-login"], input=json.dumps(outputs))
    assert result.exit_code == 0
    document = (FOLDER / "azure.md").read_text("utf-8")
    [shown] = re.findall(r"^\$ tofu output -json \| emailproxy deploy-config --own-login\n(.*?)^```", document, _BLOCK)
    assert result.stdout == shown
