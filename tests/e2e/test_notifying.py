"""Does the address to sign in at reach a person by a command of theirs?"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.patience import HANG

from .conftest import StartProxy
from .proxy import Accounts
from .test_flows import USER, log_in
from .world import World

_TELL = """import pathlib, sys
folder = pathlib.Path(sys.argv[1])
text = sys.stdin.read()
folder.joinpath(f"{len(list(folder.iterdir()))}.new").write_text(text)
for new in folder.glob("*.new"):
    new.rename(new.with_suffix(".json"))
"""


def told(folder: Path, number: int) -> dict[str, Any]:
    """The news of this number, when it is there."""
    path = folder / f"{number}.json"
    deadline = time.monotonic() + HANG
    while not path.exists():
        assert time.monotonic() < deadline, sorted(folder.iterdir())
        time.sleep(0.05)
    news: dict[str, Any] = json.loads(path.read_text())
    return news


def test_a_command_brings_the_code_to_a_person(
    start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    script = tmp_path / "tell.py"
    script.write_text(_TELL)
    command = f"{sys.executable} '{script}' '{folder}'"
    proxy = start_proxy({USER: accounts.device()}, settings={"notify_command": command})
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        needed = told(folder, 0)
        assert (needed["event"], needed["account"]) == ("needs_consent", USER)
        assert needed["client"].startswith("127.0.0.1:")
        proxy.running.wait_for(needed["user_code"])
        assert world.oauth.browser().authorise(needed["url"], USER).status == 200
        login.result(60)
    given = told(folder, 1)
    assert (given["event"], given["account"]) == ("consent_given", USER)
    assert "url" not in given
