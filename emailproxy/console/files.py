"""What does the page consist of? Files of this package, read once, so that a request can name no other file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

__all__ = ["PageFile", "page_files"]

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
"""By a file's ending; files with others are not served."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file."""

    content: bytes
    type: str
    tag: str
    """Stands for this content (RFC 9110 section 8.8.3)."""


def page_files() -> dict[str, PageFile]:
    """The files by the path that a request names: ``/`` is ``index.html``. Blocks."""
    found = {}
    for path, file in _walk(files("emailproxy.console") / "page", ""):
        kind = _TYPES.get(path.rpartition(".")[2])
        if kind is not None:
            content = file.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found["/" if path == "/index.html" else path] = PageFile(content, kind, tag)
    return found


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, path)
        else:
            yield path, entry
