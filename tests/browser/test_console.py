"""Does the page do its work with the real proxy, a real OAuth server and a real mail server? In one browser."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from emailproxy.config.sealkey import new_key_text
from tests.e2e.clients import connect_imap
from tests.e2e.oauth_server import PERSON_PASSWORD
from tests.e2e.processes import free_ports
from tests.e2e.proxy import PASSWORD, Accounts, Proxy
from tests.e2e.world import World, missing_programs, world
from tests.patience import HANG

from .conftest import cannot
from .driver import Browser

READY, NEW, PASTED, DEVICE, MANAGED, REVOKED = (
    f"{name}@example.test" for name in ("ready", "new", "pasted", "device", "managed", "revoked")
)


class Console:
    """A proxy with its console."""

    def __init__(self, servers: World, folder: Path) -> None:
        key = folder / "seal.key"
        key.write_text(new_key_text())
        key.chmod(0o600)
        self.port = free_ports(1)[0]
        made = Accounts(servers)
        self.proxy = Proxy(
            servers,
            folder,
            accounts={
                READY: made.authorised(READY),
                NEW: made.interactive(),
                PASTED: made.interactive(),
                DEVICE: made.device(),
                MANAGED: made.interactive(),
                REVOKED: made.authorised(REVOKED, lifetime=-60),
            },
            settings={
                "console_listen": f"127.0.0.1:{self.port}",
                "seal_key": f"file:{key}",
                "drain": "2",
                "login_wait": "1",
            },
        )
        self.start()

    def start(self) -> None:
        self.proxy.start()
        self.proxy.running.wait_for("console at")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def link(self) -> str:
        """A link that signs a browser in, once, as ``emailproxy console`` gets it."""
        token = self.proxy.path.with_name(self.proxy.path.name + ".console-token").read_text().strip()
        request = urllib.request.Request(f"{self.url}api/enter", b"{}", {"Authorization": f"Bearer {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=HANG) as answer:
            return str(json.load(answer)["url"])


@pytest.fixture(scope="module")
def servers() -> Iterator[World]:
    if missing := missing_programs():
        cannot("not installed: " + "; ".join(missing))
    with world() as running:
        yield running


@pytest.fixture(scope="module")
def console(servers: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One for all tests here."""
    one = Console(servers, tmp_path_factory.mktemp("console"))
    yield one
    one.proxy.stop()


@pytest.fixture
def page(browser: Browser, console: Console, servers: World) -> Iterator[Browser]:
    """The console, signed in."""
    servers.oauth.reset()
    browser.open(console.link())
    browser.find(".pill", "Live")
    yield browser
    servers.oauth.reset()


def go(page: Browser, view: str) -> None:
    page.script("location.hash = arguments[0]", view)
    page.find(f".tab[data-view={view}][aria-current=page]")


def test_the_link_signs_in_once(page: Browser, console: Console) -> None:
    """The page says how the proxy stands; the address keeps no code, and the used link opens nothing."""
    page.says(str(console.proxy.path))
    page.find(".pill", "Serving")
    for listener in console.proxy.listeners:
        page.says(listener.section)
        page.says(f"127.0.0.1:{listener.port}")
    assert "code" not in page.driver.current_url
    program = Path(sys.executable).parent / "emailproxy"
    command = [str(program), "--config-file", str(console.proxy.path), "console", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    link = json.loads(said)["url"]
    page.open(link)
    page.find(".pill", "Live")
    page.driver.delete_all_cookies()
    page.open(link)
    page.open(console.url)
    page.says("emailproxy console")
    assert page.complaints()  # refused, which the browser says


def test_a_session_appears_and_its_octets_count(page: Browser, console: Console) -> None:
    """Log in with a mail client, read, and be thrown out."""
    go(page, "sessions")
    page.says("Nobody is connected")
    with connect_imap(console.proxy) as client:
        client.login(READY, PASSWORD)
        page.find(".sessions td", READY)
        down = page.find(".sessions td.number").text
        client.select("INBOX")
        client.append("INBOX", "", "", b"Subject: hello\r\n\r\n" + b"x" * 50_000 + b"\r\n")
        client.select("INBOX")
        client.fetch("1:*", "(BODY[])")
        page.wait(lambda: "kB" in page.find(".sessions td.number").text != down, "the octets do not count")
        page.find(".sessions .rate-value:not([data-idle])")
        go(page, "activity")
        page.find(".login", READY)
        page.find(".login", "Logged in")
        go(page, "sessions")
        page.press("button", f"End the session of {READY}")
        page.press("dialog button", "End session")
        page.says("Nobody is connected")
    go(page, "accounts")
    page.find("tr", READY)
    assert "Authorised" in page.find("tr", READY).text


def test_authorise_in_the_browser(page: Browser, console: Console) -> None:
    """The provider opens in a tab of its own, and the page tells the result."""
    go(page, "accounts")
    page.press("button", f"Authorise: {NEW}")
    page.find("dialog input[type=password]").send_keys(PASSWORD)
    page.press("dialog button", "Start")
    page.press("dialog a", "Open the sign-in page")
    sign_in(page, NEW)
    page.says("Mail programs can log in now.")
    page.press("dialog button", "Done")
    page.wait(lambda: "Authorised" in page.find("tr", NEW).text, "its state has not changed")
    with connect_imap(console.proxy) as client:
        client.login(NEW, PASSWORD)


def test_authorise_with_a_pasted_address(page: Browser, console: Console, servers: World) -> None:
    """Where the browser cannot reach the proxy's redirect address, the address itself is enough."""
    go(page, "accounts")
    page.press("button", f"Authorise: {PASTED}")
    page.find("dialog input[type=password]").send_keys(PASSWORD)
    page.press("dialog button", "Start")
    url = page.find("dialog a.primary").get_attribute("href")
    assert url is not None
    sent_to = console.proxy.record(PASTED)["redirect_uri"]
    ended = servers.oauth.browser().authorise(url, PASTED, stop_before=sent_to).url
    page.press("summary")
    pasted = page.find("dialog input[type=url]")
    pasted.send_keys("http://localhost/?nothing", Keys.ENTER)
    page.find("dialog [role=alert] .callout")
    assert len(page.complaints()) == 1  # refused, which the browser says
    pasted.clear()
    pasted.send_keys(ended, Keys.ENTER)
    page.says("Mail programs can log in now.")


def test_authorise_with_a_code(page: Browser, console: Console) -> None:
    """A device code, with its QR code."""
    go(page, "accounts")
    page.press("button", f"Authorise: {DEVICE}")
    page.find("dialog input[type=password]").send_keys(PASSWORD)
    page.press("dialog button", "Start")
    page.find("dialog .qr svg[viewBox] path")
    code = page.find("dialog .code-large .value").text
    assert len(code) >= 8
    page.press("dialog a", "Open the sign-in page")
    sign_in(page, DEVICE)
    page.says("Mail programs can log in now.")


def sign_in(page: Browser, person: str) -> None:
    """What a person does at the provider, in the tab that has just opened; then that tab is closed."""
    driver = page.driver
    [here] = driver.window_handles[:1]
    page.wait(lambda: len(driver.window_handles) > 1, "no tab opened")
    driver.switch_to.window(driver.window_handles[-1])

    forms: list[str] = []

    def step() -> bool:
        """Fill in the form that is shown now, once; whether there is none any more."""
        found = driver.find_elements(By.CSS_SELECTOR, "form")
        if not found:
            return bool(forms)
        if found[0].id not in forms:
            forms.append(found[0].id)
            for name, value in (("login", person), ("password", PERSON_PASSWORD)):
                for field in found[0].find_elements(By.NAME, name):
                    field.clear()  # the name is there already, from login_hint
                    field.send_keys(value)
            # Beside the form on some pages.
            driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        return False

    page.wait(step, "the provider wants more and more")
    page.complaints()  # the provider's pages are not ours
    driver.close()
    driver.switch_to.window(here)


def test_a_failure_with_its_advice(page: Browser, console: Console, servers: World) -> None:
    """What the mail client is told as a reference, the page explains; and the account says that it needs a person."""

    def refuse(error: str, description: str) -> None:
        body = json.dumps({"error": error, "error_description": description})
        servers.oauth.mood(failure={"status": 400, "body": body, "contentType": "application/json"})

    refuse("invalid_client", "AADSTS7000215: Invalid client secret provided.")
    go(page, "activity")
    with connect_imap(console.proxy) as client:
        told = ""
        try:
            client.login(REVOKED, PASSWORD)
        except client.error as error:
            told = str(error)
    reference = told.partition("(ref ")[2].partition(")")[0]
    assert reference, told
    page.press(".login button.ref", reference)
    notice = page.find(".notice[data-wanted]", reference)
    assert "What to do:" in notice.text
    assert "configure the secret's value" in notice.text
    refuse("invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked")
    with connect_imap(console.proxy) as client, pytest.raises(client.error):
        client.login(REVOKED, PASSWORD)
    go(page, "overview")
    page.says(f"{REVOKED} needs a new sign-in")


def test_the_doctor(page: Browser) -> None:
    """Each step arrives, to the end."""
    go(page, "accounts")
    page.press("button", f"Run the doctor for {READY}")
    page.find("dialog input[type=password]").send_keys(PASSWORD)
    page.press("dialog button", "Start")
    page.find("dialog .finding[data-outcome=ok]")
    page.find("dialog .callout", "")
    page.find("dialog button:not([disabled])", "Run again")
    steps = page.all("dialog .finding")
    assert len(steps) > 5
    assert not page.all("dialog .finding[data-outcome=running]")
    assert PASSWORD not in page.text()
    page.keys(Keys.ESCAPE)


def test_app_passwords(page: Browser, console: Console) -> None:
    """Made, used, and taken back; the tokens of the account come with its first sign-in."""
    go(page, "accounts")
    page.press("button", f"App passwords of {MANAGED}")
    page.says("emailproxy passwords migrate")
    page.find("dialog input[type=text]").send_keys("Printer")
    page.press("dialog button", "Make password")
    password = page.find("dialog .code-large .value").text
    page.find("dialog .password", "Printer")
    page.keys(Keys.ESCAPE)
    page.gone("dialog")

    page.wait(lambda: "app passwords" in page.find("tr", MANAGED).text, "it is not said to be managed")
    page.press("button", f"Authorise: {MANAGED}")
    page.press("dialog button", "Start")
    page.press("dialog a", "Open the sign-in page")
    sign_in(page, MANAGED)
    page.says("Mail programs can log in now.")
    page.press("dialog button", "Done")
    with connect_imap(console.proxy) as client:
        client.login(MANAGED, password)

    page.press("button", f"App passwords of {MANAGED}")
    assert password not in page.text()
    page.press("dialog button", "Revoke Printer")
    page.press("dialog button.danger", "Revoke")
    page.says("No app password")
    page.keys(Keys.ESCAPE)
    with connect_imap(console.proxy) as client, pytest.raises(client.error, match="AUTHENTICATIONFAILED"):
        client.login(MANAGED, password)


def test_lost_and_regained(page: Browser, console: Console) -> None:
    """The proxy is started anew: the page says that it is away, and comes back by itself, still signed in."""
    go(page, "sessions")
    console.proxy.stop_and_keep()
    page.find(".banner", "last known state")
    console.start()
    page.find(".pill", "Live")
    page.says("Nobody is connected")
    assert page.complaints(lost=True) == []


def test_reload(page: Browser, console: Console) -> None:
    """A fault is said and changes nothing; a good file is read."""
    text = console.proxy.path.read_text()
    console.proxy.path.write_text(text.replace("[emailproxy]", "[emailproxy]\ndrain = soon"))
    page.press("button", "Reload")
    page.find(".toast", "drain")
    page.press(".toast button", "Close")
    console.proxy.path.write_text(text)
    page.press("button", "Reload")
    page.find(".toast", "The configuration was read again.")
    complaints = page.complaints()
    assert len(complaints) == 1, complaints  # the refusal


def test_drain(page: Browser, console: Console) -> None:
    """Asked for twice, done once: the proxy ends by itself, with status 0."""
    page.press("button", "Drain")
    page.press("dialog button", "Drain and stop")
    assert console.proxy.running.wait(HANG) == 0
    page.find(".banner", "last known state")
    assert page.complaints(lost=True) == []
