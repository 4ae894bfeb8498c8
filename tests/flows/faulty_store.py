"""A proxy before an S3 endpoint that throttles, stumbles, dawdles and hangs up, by a plan that follows from a seed."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASS, ERROR, SLOW_DOWN, ERROR_AFTER, LATE, CUT, CUT_AFTER, CUT_MIDWAY = FAULTS = (
    *("pass", "500", "503 SlowDown", "500 though done", "late"),
    *("cut", "cut though done", "cut midway"),
)
_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultyStore:
    """Stands before `target`. `share` of the requests meet a fault, each kind as often as the others.

    Requests that write under a condition (a Delta commit) go to the target one at a time: moto looks and then writes,
    without a lock between the two, where a real store does both at once.
    """

    def __init__(self, target: str, seed: int = 0, share: float = 0.0) -> None:
        self._target, self._chance, self.share = urlsplit(target).netloc, random.Random(seed), share
        self._drawing, self._committing = threading.Lock(), threading.Lock()
        self.met: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def draw_for(self, method: str, path: str) -> str:
        """Draw the fault of the next request."""
        with self._drawing:
            fault = self._chance.choice(FAULTS[1:]) if self._chance.random() < self.share else PASS
            self.met[fault] += 1
            return fault

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list, bytes]:
        conditional = any(name.lower() == "if-none-match" for name in headers) and method == "PUT"
        lock = self._committing if conditional else threading.Lock()
        with lock:
            connection = http.client.HTTPConnection(self._target, timeout=60)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            result = answer.status, answer.getheaders(), answer.read()
            connection.close()
        return result


class _Handler(BaseHTTPRequestHandler):
    """One request; `store` chooses its fault."""

    store: FaultyStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *words) -> None:
        pass

    def any_method(self) -> None:
        body, fault = self._body(), self.store.draw_for(self.command, self.path)
        if fault == LATE:
            time.sleep(0.3)
        if fault in (ERROR, SLOW_DOWN):
            self._fail(fault)
        elif fault == CUT:
            self._hang_up()
        else:
            self._pass_on(fault, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = any_method

    def _pass_on(self, fault: str, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        status, result, content = self.store.forward(self.command, self.path, headers, body)
        if fault == ERROR_AFTER:
            self._fail(ERROR)
        elif fault == CUT_AFTER:
            self._hang_up()
        else:
            self._answer(status, result, content, whole=fault != CUT_MIDWAY)

    def _answer(self, status: int, message: list, content: bytes, whole: bool) -> None:
        length = next((value for name, value in message if name.lower() == "content-length"), None)
        self.send_response_only(status)
        for name, value in message:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # whoever asked has given up
                self.wfile.write(content if whole else content[: len(content) // 2])
        if not whole:
            self._hang_up()

    def _fail(self, fault: str) -> None:
        code, words = (503, "SlowDown") if fault == SLOW_DOWN else (500, "InternalError")
        content = _ANSWER.format(words, "Please reduce your request rate." if code == 503 else "We stumbled.")
        self._answer(code, [("Content-Type", "application/xml")], content.encode(), whole=True)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
