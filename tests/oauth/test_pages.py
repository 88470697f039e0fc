from __future__ import annotations

import base64
import hashlib
import re

import pytest

from emailproxy.oauth.consent import Outcome, OutcomeKind
from emailproxy.oauth.pages import HEADERS, notice, page


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_every_outcome_has_a_page_that_loads_and_runs_nothing(kind: OutcomeKind) -> None:
    status, text = page(Outcome(kind, "<em>&\"'", "<i>message</i>", "7F3A", "<u>"), query='"><script>x</script>')
    assert 200 <= status < 600
    for foreign in ("<em>", "<i>", "<u>", "<script", "src=", "href=", "http:", "https:", "url("):
        assert foreign not in text
    assert "(ref 7F3A)" in text


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    style = re.search(r"<style>(.*?)</style>", notice("t", "x"), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in dict(HEADERS)["Content-Security-Policy"]


def test_a_notice_is_escaped() -> None:
    assert "<x>" not in notice("<x>", "<x>")
