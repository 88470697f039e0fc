"""How is OpenTofu run here? Without a network, a home folder's settings, or a trace in the modules' folders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.terraform.standin import standing_in

__all__ = ["Tofu"]


@dataclass(frozen=True, slots=True)
class Tofu:
    """The program, and the providers that stand in."""

    program: Path
    room: Path
    environment: dict[str, str]

    @classmethod
    @contextmanager
    def serving(cls, program: Path, room: Path) -> Iterator[Self]:
        """Begin to stand in for all providers whose schemas are here."""
        settings = room / "tofurc"
        settings.write_text("disable_checkpoint = true\n", "utf-8")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "TOFU_"))}
        with standing_in(room) as attached:
            own = {"TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1", "HOME": str(room)}
            yield cls(program, room, inherited | attached | own)

    def __call__(self, folder: Path, *arguments: str, status: int | None = 0) -> str:
        """Run it in `folder`; what it printed.

        Raises:
            AssertionError: it ended with another status.
        """
        data = self.room / "data" / str(folder.resolve()).strip("/").replace("/", "_")
        done = subprocess.run(
            [self.program, *arguments],
            cwd=folder,
            env=self.environment | {"TF_DATA_DIR": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if status is not None and done.returncode != status:
            raise AssertionError(f"tofu {' '.join(arguments)} in {folder}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def initialised(self, folder: Path) -> Path:
        """`folder`, its modules installed; no backend, and nothing is downloaded."""
        self(folder, "init", "-backend=false", "-input=false", "-no-color")
        return folder
