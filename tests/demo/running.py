"""The demonstration as a process that goes on until it is interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["COMMAND", "running_demo"]

COMMAND = [sys.executable, "-m", "emailproxy", "demo"]


@contextmanager
def running_demo() -> Generator[tuple[subprocess.Popen[str], str]]:
    """The demonstration after its last step, and what it has printed by then."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        printed = ""
        try:
            for line in process.stdout:
                printed += line
                if "pop3://" in line:
                    break
            yield process, printed
        finally:
            process.kill()
