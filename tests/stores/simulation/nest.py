"""How does a replica that was killed start again at once? It is forked from a process that has imported everything.

``python -m tests.stores.simulation.nest MODULE…`` imports the modules (no client is made, no thread started), reads
one JSON object per line, and forks a replica for each; it says ``started NAME PID`` and ``ended NAME STATUS``, a
negative status being a signal. When its input ends it kills what is left, and ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path

from tests.stores.simulation.replica import Part, replicate


def main() -> None:
    """Fork replicas until the input ends."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    waker, wakened = os.pipe()
    for end in (waker, wakened):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakened)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    names: dict[int, str] = {}
    buffer = b""
    while True:
        ready, _, _ = select.select([0, waker], [], [])
        if waker in ready:
            os.read(waker, 4096)
            while names and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                _say("ended", names.pop(ended[0]), os.waitstatus_to_exitcode(ended[1]))
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                part = Part(**json.loads(line))
                pid = _forked(part, [waker, wakened])
                names[pid] = part.name
                _say("started", part.name, pid)
    for pid in names:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _forked(part: Part, inherited: list[int]) -> int:
    """The child's pid; the child does not return from here."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in inherited:
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        replicate(part)
        status = 0
    except BaseException:
        (Path(part.folder) / f"{part.name}.crash").write_text(traceback.format_exc())
        raise
    finally:
        os._exit(status)


def _say(*words: object) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    main()
