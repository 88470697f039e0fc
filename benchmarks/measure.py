"""What has a process used? CPU time with its children, and memory, as Linux counts them."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                found += [int(child) for child in children.read_text().split()]
    return found


def ended(pid: int) -> bool:
    """Whether a process has ended, even if its parent has not asked for its status yet."""
    try:
        return _stat(pid)[2] == "Z"
    except OSError:
        return True


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process with its living descendants and the dead ones it has waited for."""
    return sum(_own_cpu_seconds(member) + _dead_children(member) for member in process_tree(pid))


def _own_cpu_seconds(pid: int) -> float:
    # The process's CPU clock (clock_getcpuclockid(3)) counts nanoseconds; /proc/PID/stat counts the same time in ticks
    # of 10 ms, too coarse for a login of one.
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        user, system = _stat(pid)[13:15]
        return (int(user) + int(system)) / TICKS


def _dead_children(pid: int) -> float:
    user, system = _stat(pid)[15:17]
    return (int(user) + int(system)) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat, so that index n is field n+1 of proc(5); the name is replaced."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return ["", "", *text.rpartition(")")[2].split()]


def memory_kib(pid: int) -> int:
    """Proportional set size (PSS): memory of its own, and its share of what it shares."""
    return sum(_rollup(member)["Pss"] for member in process_tree(pid))


def own_memory_kib(pid: int) -> int:
    """What of it is no file: a share of a library shrinks whenever somebody else starts who uses it too."""
    parts = [_rollup(member) for member in process_tree(pid)]
    return sum(part.get("Pss_Anon", part["Pss"]) for part in parts)


def _rollup(pid: int) -> dict[str, int]:
    """The sizes in smaps_rollup, see proc_pid_smaps(5); ``Pss_Anon`` is there from Linux 5.14 on."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) for name, _, size in (line.partition(":") for line in lines)}


def resident_kib(pid: int) -> int:
    """Resident set size (RSS) of the process alone: memory of its own and all that it shares."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"no VmRSS in status of {pid}")


def threads(pid: int) -> int:
    """How many threads the process and its descendants have."""
    return sum(len(list(Path(f"/proc/{member}/task").iterdir())) for member in process_tree(pid))


def descriptors(pid: int) -> int:
    """How many files and sockets the process and its descendants have open."""
    return sum(len(list(Path(f"/proc/{member}/fd").iterdir())) for member in process_tree(pid))


def file_limit() -> int:
    """How many files a process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_file_limit() -> int:
    """As many open files as we may have; children inherit it. Returns the new limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
