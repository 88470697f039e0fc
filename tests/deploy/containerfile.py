"""What would an engine make of our Containerfile? Its steps are carried out here without one, on the same files.

Enough of the format for our own file, and no more: what is not known is an error. The base image is the clean Debian
of the other tests, in which the step that installs packages with apt has been done already; that is checked. Steps run
without a network.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Image", "replayed"]

REPOSITORY = Path(__file__).parents[2]
CONTAINERFILE = REPOSITORY / "infra" / "container" / "Containerfile"
APT = re.compile(r"apt-get update && apt-get install --yes --no-install-recommends ([a-z0-9 -]+)")


@dataclass
class Image:
    """The last stage: a tree, and how it is run."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    stop_signal: str = ""


def replayed(base: Path, room: Path, files: dict[str, str | Path]) -> Image:
    """Carry out the file's steps.

    Args:
        base: the tree that the build stage begins with; not changed.
        room: an empty folder for all that is made. ``build`` in it stays mounted.
        files: what the build stage has besides, such as where pip finds packages.
    """
    stages: dict[str, Path] = {}
    image = Image(room)
    arguments: dict[str, str] = {}
    for word, rest in _instructions():
        match word:
            case "ARG":
                name, _, value = rest.partition("=")
                arguments[name] = value
            case "FROM":
                name = rest.partition(" AS ")[2] or "last"
                image = Image(room / name)
                stages[name] = image.root
                if rest.startswith("${DEBIAN}"):
                    _over(base, image.root, room)
                    _add(image.root, files)
                else:
                    assert rest == "scratch"
                    image.root.mkdir()
            case "RUN":
                if (apt := APT.fullmatch(rest)) is not None:
                    for package in apt[1].split():
                        subprocess.run(
                            ["dpkg", f"--root={image.root}", "--status", package], check=True, capture_output=True
                        )
                else:
                    _run(image.root, rest, arguments)
            case "COPY":
                _copy(rest, image.root, stages)
            case "ENV":
                image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            case "USER":
                image.user = rest
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                image.healthcheck = json.loads(rest.partition("CMD ")[2])
            case "STOPSIGNAL":
                image.stop_signal = rest
            case "WORKDIR" | "EXPOSE":
                pass
            case _:
                raise AssertionError(f"the replay does not know {word}")
    return image


def _instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def _over(base: Path, root: Path, room: Path) -> None:
    """Mount at `root` what looks like `base`, and keeps what is written in `room`."""
    upper, work = room / "upper", room / "work"
    for folder in (root, upper, work):
        folder.mkdir()
    layers = f"lowerdir={base},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(root)], check=True)


def _add(root: Path, files: dict[str, str | Path]) -> None:
    for place, content in files.items():
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copytree(content, target)
        else:
            target.write_text(content)


def _run(root: Path, command: str, arguments: dict[str, str]) -> None:
    variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **arguments}
    done = subprocess.run(
        [
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
            *("/bin/sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', str(root)),
            *("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())),
            *("/bin/sh", "-c", command),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"


def _copy(rest: str, root: Path, stages: dict[str, Path]) -> None:
    words = rest.split()
    if words[0].startswith("--from="):
        source = stages[words[0].removeprefix("--from=")] / words[1].lstrip("/")
        subprocess.run(["cp", "--archive", f"{source}/.", str(root / words[2].lstrip("/"))], check=True)
        return
    assert words[0] == "."
    target = root / words[1].lstrip("/")
    rules = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in _context(REPOSITORY, [rule for rule in rules if rule and not rule.startswith("#")]):
        place = target / path.relative_to(REPOSITORY)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def _context(folder: Path, rules: Sequence[str]) -> Iterator[Path]:
    """What an engine would be sent: the last rule that fits a path, or a folder above it, decides."""
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    dropped = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    assert len(kept) + len(dropped) + 1 == len(rules)
    for name in kept:
        place = folder / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(fnmatch.fnmatch(part, rule) for part in parts for rule in dropped):
                yield path
