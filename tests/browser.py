"""Pages in a real browser: Playwright drives the Chromium that is installed. Without one the tests skip and say so."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SWITCHES = ("--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required")
_EXECUTABLE = next((found for name in _NAMES if (found := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(_EXECUTABLE is None, reason="no browser here: install Chromium or Chrome")
PHONE = (390, 780)


class _Shared:
    """The browser of a module's tests; starting one takes as long as looking at ten pages."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._browser: Browser | None = None

    def browser(self) -> Browser:
        """Return it; the first caller starts it."""
        if self._browser is None:
            driver = self._open.enter_context(sync_playwright())
            given = {"executable_path": _EXECUTABLE, "args": list(_SWITCHES), "chromium_sandbox": False}
            self._browser = driver.chromium.launch(**given)
            self._open.callback(self._browser.close)
        return self._browser

    def close(self) -> None:
        """End it, and the event loop that its driver runs in this thread, where others want one of their own."""
        self._browser = None
        self._open.close()


shared = _Shared()


@contextmanager
def opened(path: Path, size: tuple[int, int] = (1280, 800)) -> Iterator[Page]:
    """Open a page as in a browser of its own; when it is closed, its console must hold no error."""
    errors: list[str] = []
    with shared.browser().new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(path.as_uri())
        yield page
    assert not errors, errors


def until(page: Page, expression: str, argument: object = None) -> None:
    """Wait until something is true of the page, or of a part of it. Playwright's own wait is refused by the pages'
    security policy.
    """
    end = time.monotonic() + 60
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(50)


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
