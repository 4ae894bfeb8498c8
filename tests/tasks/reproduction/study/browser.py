"""A real browser, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {"Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40}
PATIENCE_S = 60.0


def installed() -> str | None:
    return next((result for name in NAMES if (result := shutil.which(name))), None)


class NavigatedError(Exception):
    """The page was left during a query."""


class Tab:
    """A page, or the browser itself. Errors of a page are kept in `errors`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._calls = socket, 0
        self.errors: list[str] = []

    def listen(self) -> "Tab":
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": given}))
        while True:
            summary = json.loads(self._socket.recv(PATIENCE_S))
            if summary.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(summary["params"]))
            if summary.get("method") == "Log.entryAdded" and summary["params"]["entry"]["level"] == "error":
                self.errors.append(summary["params"]["entry"]["text"])
            if summary.get("id") == self._calls:
                if "navigated" in summary.get("error", {}).get("message", ""):
                    raise NavigatedError
                assert "error" not in summary, summary
                return summary.get("result", {})

    def value(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until something is true of the page."""
        end = time.monotonic() + PATIENCE_S
        while not self._is_true(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.value(expression))
        except NavigatedError:  # the page that was asked has gone, and the next one is not asked yet
            return False

    def press(self, key: str) -> None:
        code = KEYS.get(key) or ord(key)
        given = {"key": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **given, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def picture(self, path: Path, width: int = 1280, height: int = 800) -> None:
        self.size(width, height)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


@contextmanager
def opened(page: Path, profile: Path, downloads: Path) -> Iterator[Tab]:
    """The page in a browser of its own."""
    executable = installed()
    assert executable
    switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--mute-audio", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0",
                f"--user-data-dir={profile}"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([executable, *switches, "about:blank"], **quiet) as process:
        try:
            with connect(_address(profile), max_size=None) as socket:
                browser = Tab(socket)
                browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
                made = browser.call("Target.createTarget", url=page.as_uri())["targetId"]
                port = _address(profile).split("/")[2]
                with connect(f"ws://{port}/devtools/page/{made}", max_size=None) as own:
                    yield Tab(own).listen()
        finally:
            process.terminate()


def _address(profile: Path) -> str:
    result = profile / "DevToolsActivePort"
    end = time.monotonic() + PATIENCE_S
    while not result.exists() or len(result.read_text().split()) < 2:
        assert time.monotonic() < end, "the browser did not start"
        time.sleep(0.1)
    port, path = result.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"
