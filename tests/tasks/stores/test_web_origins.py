"""No address in untrusted footage makes this machine connect to a server that the user did not name."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import MediaRefusedError, SettingsError, SourceError, WorkspaceError
from heterodub.tasks.dubbing.inputs import input_faults
from heterodub.tasks.media.paths import content_of
from heterodub.tasks.preflight.data import check_ingest, check_sources
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores.remote import open_store
from heterodub.tasks.stores.workspace import Workspace

NASTY = (
    "simplecache::dask://127.0.0.1:{port}::file:///etc/hostname",
    "dask://127.0.0.1:{port}/etc/hostname",
    "http://127.0.0.1:{port}/a.mp4",
    "https://127.0.0.1:{port}/a.mp4",
    "HTTP://127.0.0.1:{port}/a.mp4",
    "http://known.example@127.0.0.1:{port}/a.mp4",
    "http://127.0.0.1:{port}\\@known.example/a.mp4",
    "ftp://127.0.0.1:{port}/a.mp4",
    "webhdfs://127.0.0.1:{port}/a.mp4",
    "filecache::http://127.0.0.1:{port}/a.mp4",
    "zip://a.mp4::http://127.0.0.1:{port}/a.zip",
    "reference://::http://127.0.0.1:{port}/a.json",
    "jupyter://127.0.0.1:{port}/a.mp4",
    "github://a:b@main/a.mp4",
    "local:///etc/hostname",
    "http://169.254.169.254/latest/meta-data/iam",
)
ORIGINS = ("https://known.example",)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port of loopback, and who connected to it."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    seen.append("somebody")
                    connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("address", NASTY)
def test_unlisted_addresses_are_never_connected(address, listener, tmp_path):
    port, seen = listener
    uri = address.format(port=port)
    film = tmp_path / "film.mp4"
    film.write_bytes(b"1")
    manifest, corpus, settings = tmp_path / "list.csv", tmp_path / "corpus.toml", tmp_path / "settings.toml"
    manifest.write_text(f"uri\n{film}\n{uri}\n")
    corpus.write_text(f"root = '{uri}'")
    settings.write_text(f"workspace = '{uri}'\n[limits]\nweb_origins = ['{ORIGINS[0]}']")
    for source in (uri, str(manifest), str(corpus)):
        with pytest.raises(SourceError, match=r"is not read|credentials"):
            list(source_files(source, origins=ORIGINS))
        with pytest.raises(SourceError):
            check_sources([source], ORIGINS)
        with pytest.raises(SourceError):
            check_ingest(source, workspace=str(tmp_path / "ws"))
    with pytest.raises(MediaRefusedError):
        content_of(uri, ORIGINS)
    assert gone([uri], ORIGINS) == frozenset()
    with pytest.raises((WorkspaceError, SettingsError)):
        Workspace.open(load_settings(settings).workspace, create=True)
    for name in ("video", "speech", "appearance_from"):
        job = DubJob(video=str(film), speech=str(film), out="o.mp4").model_copy(update={name: uri})
        faults = input_faults(job, LimitSettings(web_origins=ORIGINS))
        assert any(fault.startswith(uri) and "is not read" in fault for fault in faults)
    assert seen == []


@contextmanager
def answering(answer: dict[str, str]) -> Iterator[str]:
    """The origin of a web server: paths with the address that each redirects to, or the bytes it holds."""

    class RedirectHandler(BaseHTTPRequestHandler):
        def do_GET(self):
            result = answer[self.path]
            self.send_response(302 if "://" in result else 200)
            self.send_header("Location", result)
            self.send_header("Content-Length", str(0 if "://" in result else len(result)))
            self.end_headers()
            if "://" not in result and self.command == "GET":
                self.wfile.write(result.encode())

        do_HEAD = do_GET

        def log_message(self, *result):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), RedirectHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_redirects_lead_only_to_listed_servers(listener, tmp_path):
    port, seen = listener
    with answering({"/film.mp4": "a film"}) as other:
        answers = {"/away.mp4": f"http://127.0.0.1:{port}/a.mp4", "/there.mp4": f"{other}/film.mp4", "/it.mp4": "bytes"}
        with answering(answers) as own:
            listed = LimitSettings(web_origins=(own.upper(), f"{other}/")).web_origins
            for name, held in (("it", "bytes"), ("there", "a film")):
                store, path = open_store(f"{own}/{name}.mp4", listed)
                assert store.cat_file(path) == held.encode()
                (raw,) = _manifest(tmp_path, f"{own}/{name}.mp4", listed)
                assert (raw.size_bytes, raw.refusal) == (len(held), None)
            with pytest.raises(SourceError, match=rf'web_origins = \["http://127.0.0.1:{port}"\]'):
                list(_manifest(tmp_path, f"{own}/away.mp4", listed))
            with pytest.raises(MediaRefusedError, match=f"127.0.0.1:{port} is not read"):
                content_of(f"{own}/away.mp4", listed)
            with pytest.raises(SourceError, match=f"{other} is not read"):
                list(_manifest(tmp_path, f"{own}/there.mp4", (own,)))
    assert seen == []


def _manifest(folder, uri, origins):
    (folder / "one.csv").write_text(f"uri\n{uri}\n")
    return source_files(str(folder / "one.csv"), origins=origins)


@pytest.mark.parametrize("origin", ["known.example", "ftp://known.example", "https://known.example/films", "https://"])
def test_origin_is_a_scheme_and_a_host(origin):
    with pytest.raises(ValueError, match="is no origin"):
        LimitSettings(web_origins=(origin,))


def test_unnamed_settings_file_lists_no_server(tmp_path, monkeypatch):
    (tmp_path / "heterodub.toml").write_text('[limits]\nweb_origins = ["https://known.example"]')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"limits.web_origins"):
        load_settings()
    assert load_settings(tmp_path / "heterodub.toml").limits.web_origins == ORIGINS
