"""What does the person do? Opens the address that the proxy names, and clicks Allow."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx2

from emailproxy.demo.console import StepFailedError

__all__ = ["allow_access"]


async def allow_access(url: str) -> int:
    """Play the person with a browser; the number of octets of the last page.

    Raises:
        StepFailedError: a page is not what it should be.
        httpx2.HTTPError: a page cannot be opened.
    """
    # trust_env: what a proxy for the internet would do to addresses of this machine is nobody's concern here.
    async with httpx2.AsyncClient(trust_env=False, timeout=None) as browser:
        page = await browser.get(url)
        if page.status_code != 200 or "Allow" not in page.text:
            raise StepFailedError(f"the provider's consent page answered {page.status_code}")
        answer = await browser.post(page.url, data={"consent": "yes"})
        target = answer.headers.get("location", "")
        if answer.status_code != 302 or "code" not in parse_qs(urlsplit(target).query):
            raise StepFailedError(f"the provider's button answered {answer.status_code} without a code")
        last = await browser.get(target)
        if last.status_code != 200:
            raise StepFailedError(f"the proxy's page answered {last.status_code}")
        return len(last.content)
