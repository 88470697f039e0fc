"""No garbage is collected while a lot is loaded, and afterwards it is as before."""

from __future__ import annotations

import gc

from emailproxy.uncollected import uncollected


def test_collected_again_afterwards() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collected_again_after_an_error() -> None:
    try:
        with uncollected():
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert gc.isenabled()
