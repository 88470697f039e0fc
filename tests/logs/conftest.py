"""Fixtures of this folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from emailproxy.logs import CONTENT_LOGGER


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours, content = (logging.getLogger(name) for name in (None, "emailproxy", CONTENT_LOGGER))
    before = root.handlers[:], root.level, ours.level, content.level
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:] = before[0]
    for logger, level in zip((root, ours, content), before[1:], strict=True):
        logger.setLevel(level)
