"""Do the unit files say what systemd understands, and is the service as confined as we claim?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import cannot
from tests.deploy.test_documents import blocks

UNITS = Path(__file__).parents[2] / "infra" / "systemd"
WORST_EXPOSURE = 2.0


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        cannot("systemd-analyze is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_systemd_understands_them(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/emailproxy/bin/emailproxy", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    for unit in UNITS.iterdir():
        complaints = [
            line for line in analyze("verify", str(tmp_path / unit.name)).splitlines() if "emailproxy" in line
        ]
        assert complaints == []


def test_a_mistake_would_be_seen(tmp_path: Path) -> None:
    text = (UNITS / "emailproxy.service").read_text().replace("ProtectHome=", "ProtectHomes=")
    (tmp_path / "emailproxy.service").write_text(text)
    assert "ProtectHomes" in analyze("verify", str(tmp_path / "emailproxy.service"))


def test_the_drop_ins_of_the_manual_for_several_proxies(tmp_path: Path) -> None:
    changed = {}
    for text in blocks("systemd.md", "ini"):
        if named := re.match(r"# (emailproxy@\.\w+)\n", text):
            unit = UNITS / named[1].replace("@", "")
            (tmp_path / named[1]).write_text(unit.read_text().replace("/opt/emailproxy/bin/emailproxy", "/bin/true"))
            drop_ins = tmp_path / f"{named[1]}.d"
            drop_ins.mkdir()
            (drop_ins / "override.conf").write_text(text.replace("/opt/emailproxy/bin/emailproxy", "/bin/true"))
            changed[named[1]] = drop_ins / "override.conf"
    assert set(changed) == {"emailproxy@.service", "emailproxy@.socket"}

    def complaints(unit: str) -> list[str]:
        found = analyze("verify", str(tmp_path / unit)).splitlines()
        return [line for line in found if "emailproxy" in line]

    assert [complaints(unit) for unit in changed] == [[], []]
    drop_in = changed["emailproxy@.socket"]
    drop_in.write_text(drop_in.read_text().replace("ReusePort=", "ReusePorts="))
    assert "ReusePorts" in "".join(complaints("emailproxy@.socket")), "drop-ins are looked at"


def test_the_exposure() -> None:
    answer = analyze("security", "--offline=true", "--no-pager", str(UNITS / "emailproxy.service"))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer)
    assert found is not None, answer
    assert float(found[1]) <= WORST_EXPOSURE


@pytest.mark.parametrize("option", ["DynamicUser=yes", "Type=notify", "LoadCredential=", "ProtectSystem=strict"])
def test_what_the_manual_promises(option: str) -> None:
    assert re.search(rf"^{re.escape(option)}", (UNITS / "emailproxy.service").read_text(), re.MULTILINE)
