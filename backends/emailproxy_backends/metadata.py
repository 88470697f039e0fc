"""How is the metadata service of a machine asked? Briefly, directly, and without repeating what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import httpx2

from emailproxy.store.base import StoreContentError, StoreUnavailableError

__all__ = ["Answer", "Metadata"]

SECONDS: Final = 3.0
"""For one attempt: the service is on the same host, or nowhere."""
PAUSES: Final = (0.3, 1.0, None)
"""Between attempts. With their time limits they stay under ten seconds."""
MAX_OCTETS: Final = 64 * 1024
"""Of an answer: a token has a few KB."""
_NOT_NOW: Final = frozenset({404, 408, 410, 429, *range(500, 600)})
"""What Azure wants asked again (how-to-use-vm-token), as while a machine starts; Google is busy with 429 and 503."""


class Answer:
    """What came: status, headers, and the text, which may be a token."""

    __slots__ = ("headers", "status", "text")

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text


class Metadata:
    """One metadata service. Thread-safe. No proxy of the environment is used: it would answer for another machine.

    Args:
        what: what to call the service in messages.
        transport: carries the requests instead of the network.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        what: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._what = what
        self._sleep = sleep
        self._client = httpx2.Client(transport=transport, trust_env=False, timeout=SECONDS, follow_redirects=False)

    def get(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str], remedy: str) -> Answer:
        """Ask; busy services are asked again.

        Raises:
            StoreUnavailableError: no answer; the message ends with `remedy`.
            StoreContentError: an answer that is none.
        """
        problem = ""
        for pause in PAUSES:
            try:
                answer = self._once(url, parameters, headers)
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                problem = f"cannot be reached ({type(error).__name__})"
            else:
                if answer.status not in _NOT_NOW:
                    return answer
                problem = f"is busy or not ready (HTTP {answer.status})"
            if pause is not None:
                self._sleep(pause)
        raise StoreUnavailableError(f"{self._what} {problem}; {remedy}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        with self._client.stream(
            "GET", url, params=dict(parameters), headers={"Accept-Encoding": "identity", **headers}
        ) as answer:
            content = bytearray()
            for part in answer.iter_bytes():
                content += part
                if len(content) > MAX_OCTETS:
                    raise StoreContentError(f"{self._what}: the answer has more than {MAX_OCTETS} octets")
            return Answer(answer.status_code, answer.headers, content.decode("utf-8", "replace"))
