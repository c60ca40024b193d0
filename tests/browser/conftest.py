"""A headless Chromium, and what it must not do."""

import shutil
from pathlib import Path

import pytest

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CALM = ["background-networking", "component-update", "quic", "sync"]


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if not path:
        pytest.skip(f"none of {', '.join(names)} is installed")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in CALM)]
        with playwright.chromium.launch(executable_path=path, args=options) as browser:
            yield browser


@pytest.fixture
def page(browser):
    """A page that complains if anything leaves this machine, or fails in the browser."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on(
        "console", lambda told: wrong.append(f"console: {told.text}") if told.type == "error" else 0
    )
    here = ("http://127.0.0.1:", "data:", "blob:")
    page.on(
        "request", lambda sent: sent.url.startswith(here) or wrong.append(f"request: {sent.url}")
    )
    yield page
    page.close()
    assert not wrong, "\n".join(wrong)
