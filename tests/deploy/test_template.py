"""Is the user data of these tests what Terraform makes of the template, and is it quoted safely?"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import tool
from tests.deploy.template import TEMPLATE, user_data

CONFIG = "[IMAP-1993]\nprovider = office365\n# ${not} a %{template} ü\n"
CASES = {
    "simple": ("azure:mailvault", ["azure"], "emailproxy-cloud", [1993]),
    "awkward": (
        "azure:mailvault/p?identity=a&lease=https://x.blob.core.windows.net/c",
        ["azure", "console"],
        "emailproxy-cloud>=0.1,<0.2",
        [143, 1587],
    ),
    "nothing": ("aws:mail/", [], "https://example.com/emailproxy_cloud-0.1.0-py3-none-any.whl", []),
}


@pytest.mark.parametrize("name", CASES)
def test_terraform_makes_the_same(name: str, tmp_path: Path) -> None:
    store, extras, package, ports = CASES[name]
    (tmp_path / "emailproxy.config").write_text(CONFIG)
    variables = (
        f'{{emailproxy_config = file("{tmp_path}/emailproxy.config"), cache_store = {json.dumps(store)},'
        f" extras = {json.dumps(extras)}, package = {json.dumps(package)}, ports = {json.dumps(ports)}}}"
    )
    # In JSON, since the console prints a text of several lines in a form of its own.
    done = subprocess.run(
        [str(tool("EMAILPROXY_TOFU")), "console"],
        input=f'jsonencode(templatefile("{TEMPLATE}", {variables}))\n',
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ours = user_data(config=CONFIG, cache_store=store, extras=extras, package=package, ports=ports)
    assert json.loads(json.loads(done.stdout)) == ours


@pytest.mark.parametrize("name", CASES)
def test_what_cloud_init_reads(name: str) -> None:
    store, extras, package, ports = CASES[name]
    text = user_data(config=CONFIG, cache_store=store, extras=extras, package=package, ports=ports)
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    files = {entry["path"]: entry for entry in document["write_files"]}
    assert base64.b64decode(files["/etc/emailproxy/emailproxy.config"]["content"]).decode() == CONFIG
    assert files["/etc/emailproxy/environment"]["content"] == f"EMAILPROXY_CACHE_STORE='{store}'\n"
    [command] = document["runcmd"]
    assert command == ["/usr/local/sbin/emailproxy-install", package, ",".join(extras), *map(str, ports)]


@pytest.mark.parametrize(
    ("package", "extras", "requirement"),
    [
        ("emailproxy-cloud", "azure", "emailproxy-cloud[azure]"),
        ("emailproxy-cloud==1.2.3", "azure,console", "emailproxy-cloud[azure,console]==1.2.3"),
        ("emailproxy-cloud>=0.1,<0.2", "", "emailproxy-cloud[]>=0.1,<0.2"),
        ("https://example.com/a.whl", "aws", "emailproxy-cloud[aws] @ https://example.com/a.whl"),
    ],
    ids=["name", "version", "range", "address"],
)
def test_what_pip_is_asked_for(package: str, extras: str, requirement: str) -> None:
    document = yaml.safe_load(user_data(config="", cache_store="", extras=[], package="", ports=[]))
    [script] = [entry["content"] for entry in document["write_files"] if "install" in entry["path"]]
    # Its first part, which only sets variables.
    head = script.partition("# Images differ")[0] + 'printf %s "$requirement"\n'
    done = subprocess.run(["sh", "-s", package, extras], input=head, capture_output=True, text=True, check=True)
    assert done.stdout == requirement
