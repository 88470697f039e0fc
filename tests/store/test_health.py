from __future__ import annotations

from emailproxy.store.base import (
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreTooLargeError,
    StoreUnavailableError,
)
from emailproxy.store.health import HealthRecorder, StoreHealth


def test_since_is_when_it_turned_not_when_it_was_last_asked() -> None:
    clock = iter([10.0, 20.0, 30.0])
    books = HealthRecorder(lambda: next(clock))
    assert books.health == StoreHealth()
    books.begun(wrote=False)
    books.answered()
    books.begun(wrote=False)
    books.answered()
    assert books.health == StoreHealth(True, 10.0, None, 2)
    books.begun(wrote=True)
    books.failed(StoreUnavailableError("down"))
    books.begun(wrote=False)
    books.failed(StoreDeniedError("no permission"))
    assert books.health == StoreHealth(False, 20.0, "no permission", 3, 1, 2)
    books.begun(wrote=False)
    books.answered()
    assert books.health == StoreHealth(True, 30.0, None, 4, 1, 2)


def test_a_refusal_is_an_answer() -> None:
    for error in (StoreConflictError("changed"), StoreContentError("foreign"), StoreTooLargeError("large")):
        books = HealthRecorder(lambda: 1.0)
        books.failed(error)
        assert books.health == StoreHealth(True, 1.0)
