"""What does a test do with the browser? Headless Chromium, and what must never happen in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.patience import HANG

__all__ = ["SECONDS", "Browser", "missing_programs"]

SECONDS: Final = HANG
"""For anything to appear."""
_POLL: Final = 0.03
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # containers of CI run as root, where Chromium refuses its sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--ignore-certificate-errors",  # the OAuth server's authority is made for each run
    "--lang=en-GB",
)
_RUN_AXE: Final = """
    const done = arguments[0];
    const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const told = (node) => [node.html.slice(0, 160), node.any.map((check) => check.message).join(' ')];
    axe.run(document.querySelector('dialog') ?? document, {runOnly: RULES}).then((result) => {
      done(result.violations.map((one) => `${one.id}: ${one.help} ${JSON.stringify(one.nodes.slice(0, 4).map(told))}`));
    });
"""
_TWO_FRAMES: Final = """
    const done = arguments[0];
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60)));
"""
_STRANGERS: Final = ("fonts.googleapis.com",)
"""The sign-in pages of oidc-provider want a font from there."""
_LOST: Final = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_CONNECTION_CLOSED", "WebSocket connection to")

T = TypeVar("T")


def missing_programs() -> list[str]:
    """What to install before any of these tests can run; empty if nothing."""
    needed = {"chromium": "the Debian package chromium", "chromedriver": "the Debian package chromium-driver"}
    return [what for name, what in needed.items() if shutil.which(name) is None]


class Browser:
    """One Chromium. What it complained about is asked for with `complaints`."""

    def __init__(self, folder: Path) -> None:
        options = Options()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*_FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"intl.accept_languages": "en-GB,en"})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        self.scheme = "light"
        self.size(1440, 900)

    def close(self) -> None:
        self.driver.quit()

    # -- what it looks like

    def size(self, width: int, height: int, scheme: str | None = None) -> None:
        """The window's size, and whether the system is light or dark."""
        self.scheme = scheme or self.scheme
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": self.scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(
        self, path: Path | None, width: int, *, height: int = 900, scheme: str = "light", whole: bool = False
    ) -> None:
        """Make the window so wide; a screenshot of it in few colours, if there is a path."""
        from PIL import Image

        self.size(width, height, scheme)
        if whole:
            self.size(width, max(height, int(self.script("return document.documentElement.scrollHeight"))))
        # Two frames: one in which the page learns its size, and one in which it has been drawn.
        self.driver.execute_async_script(_TWO_FRAMES)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))
        with Image.open(path) as image:
            image.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)

    # -- going about

    def open(self, url: str) -> None:
        self.driver.get(url)

    def fresh(self) -> None:
        """As a browser that was never here."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.complaints()
        self.size(1440, 900, "light")

    def script(self, text: str, *arguments: object) -> Any:
        return self.driver.execute_script(text, *arguments)

    def wait(self, what: Callable[[], T], message: str = "", seconds: float = SECONDS) -> T:
        """Wait until it is truthy; its value."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if found := what():
                    return found
            except StaleElementReferenceException:
                pass  # it was drawn again meanwhile
            assert time.monotonic() < deadline, f"{message or 'nothing'}\n{self.text()[-3000:]}"
            time.sleep(_POLL)

    def find(self, selector: str, text: str | None = None) -> WebElement:
        """Wait for an element that is shown, with this text in it or in its name."""
        return self.wait(lambda: self.all(selector, text), f"no {selector} with {text!r}")[0]

    def all(self, selector: str, text: str | None = None) -> list[WebElement]:
        found = [element for element in self.driver.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]
        if text is None:
            return found
        return [each for each in found if text in each.text or text in (each.get_attribute("aria-label") or "")]

    def press(self, selector: str, text: str | None = None) -> None:
        """Click it, wherever it has moved meanwhile."""

        def pressed() -> bool:
            try:
                self.find(selector, text).click()
            except WebDriverException as error:
                if "intercepted" in str(error) or "not clickable" in str(error):
                    return False
                raise
            return True

        self.wait(pressed, f"cannot press {selector} {text!r}")

    def gone(self, selector: str, text: str | None = None) -> None:
        self.wait(lambda: not self.all(selector, text), f"{selector} {text!r} is still there")

    def says(self, text: str, seconds: float = SECONDS) -> None:
        """Wait until the page shows this text."""
        self.wait(lambda: text in self.text(), f"the page does not say {text!r}", seconds)

    def text(self) -> str:
        return str(self.script("return document.body ? document.body.innerText : ''"))

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, name: str, *, limit: int = 60) -> None:
        """Go with the Tab key until the focus is on what has this name."""
        seen = []
        for _ in range(limit):
            seen.append(self.focus())
            if name in seen[-1]:
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"Tab does not lead to {name!r}: {seen}")

    def focus(self) -> str:
        """The name of what has the focus."""
        return str(
            self.script(
                "const e = document.activeElement; "
                "const label = e.labels && e.labels[0] && e.labels[0].innerText;"
                "return e.getAttribute('aria-label') || e.innerText || label || e.tagName"
            )
        )

    # -- what must not be

    def complaints(self, *, lost: bool = False) -> list[str]:
        """Errors and warnings since the last call, violations of the policy too; `lost`: but for lost connections."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        texts = [str(entry["message"]) for entry in entries if entry["level"] in ("SEVERE", "WARNING")]
        ours = [text for text in texts if not any(word in text for word in _STRANGERS)]
        return [text for text in ours if not (lost and any(word in text for word in _LOST))]

    def unfit(self, axe: str) -> list[str]:
        """What axe-core finds wrong for people who use assistive technology, WCAG 2.2 AA."""
        self.script(axe)
        found = self.driver.execute_async_script(_RUN_AXE)
        return [str(each) for each in found]
