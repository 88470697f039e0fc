"""Checkov finds nothing insecure, and each exception says why where it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.conftest import missing
from tests.terraform.parsing import TERRAFORM

# It must be able to find something: an open door, in a folder beside ours.
INSECURE = """
resource "aws_security_group_rule" "open" {
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  security_group_id = "sg-1"
}
"""


@pytest.mark.timeout(180)  # it takes 20 s alone, and most of them to be imported
def test_nothing_insecure_is_found_but_what_is(tmp_path: Path) -> None:
    program = os.environ.get("EMAILPROXY_CHECKOV")
    if program is None or not Path(program).exists():
        missing("checkov is missing")
    # Not their tests: one string there keeps its parser busy until it gives up.
    shutil.copytree(TERRAFORM, tmp_path / "ours", ignore=shutil.ignore_patterns("tests"))
    (tmp_path / "insecure").mkdir()
    (tmp_path / "insecure" / "main.tf").write_text(INSECURE, "utf-8")
    options = ["--framework", "terraform", "--compact", "--quiet", "--skip-download", "--output", "json"]
    done = subprocess.run(
        [program, "--directory", tmp_path, *options, "--download-external-modules", "false"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    report = json.loads(done.stdout)
    failed = {(check["file_path"], check["check_id"]) for check in report["results"]["failed_checks"]}
    assert ("/insecure/main.tf", "CKV_AWS_24") in failed
    assert {found for found in failed if found[0] != "/insecure/main.tf"} == set()
    assert report["summary"]["passed"] > 100
    assert report["summary"]["parsing_errors"] == 0


def test_an_exception_says_why() -> None:
    found = [
        (path, why)
        for path in TERRAFORM.rglob("*.tf")
        for why in re.findall(r"#checkov:skip=\w+:?(.*)", path.read_text("utf-8"))
    ]
    assert found
    assert [path for path, why in found if len(why.split()) < 3] == []
