"""The commands that the demonstration prints work as they are typed."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Callable

from tests.demo.running import running_demo
from tests.patience import HANG


def test_the_printed_commands_work_as_typed(program: Callable[[str], str]) -> None:
    program("curl")
    with running_demo() as (process, printed):
        commands = [line.strip() for line in printed.splitlines() if re.match(r"  (curl|printf) ", line)]
        assert len(commands) == 3
        for command in commands:
            assert shlex.split(command)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=HANG, check=False)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            if "printf" not in command:
                assert "Subject: Hello from emailproxy" in done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 0
