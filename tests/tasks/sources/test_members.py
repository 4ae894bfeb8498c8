"""Files inside of shards and tables alike: addresses, labels of what lists them, stores, servers."""

import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.schemas.members import Member, container_of, member_of
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.paths import localise
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files, gone
from heterodub.tasks.sources.open import check_source, source_files
from tests.tasks.sources.archives import member, reasons, write_tar


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ("/data/shard.tar", "a.mp4"),
        ("/data/100% #1?.tar", "spk/a b#c?.mp4"),
        ("s3://bucket/what #?.tar", "a.mp4"),
        ("/data/shard.tar", os.fsdecode(b"not utf-8 \xff.mp4")),
    ],
)
def test_addresses_lead_back_to_their_members(container, name):
    for one in (Member("tar", container, 1536, name), Member("parquet", container, 12, name, "my/video")):
        again = member_of(one.address)
        assert (again.kind, again.place, again.name, again.column) == (one.kind, one.place, one.name, one.column)
        assert again.address == one.address
        one.address.encode("utf-8")
        assert container_of(one.address) == again.container
    assert member_of(container) is None


def test_what_is_no_tar_is_named(tmp_path):
    (tmp_path / "text.tar").write_text("no tar at all\n" * 100)
    (tmp_path / "packed.tar.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "table.parquet").write_bytes(b"PAR1 and no more")
    assert reasons(tmp_path) == {
        "text.tar": FileReason.DAMAGED_ARCHIVE,
        "packed.tar.gz": FileReason.UNSUPPORTED_CONTAINER,
        "table.parquet": FileReason.DAMAGED_ARCHIVE,
    }


def test_labels_of_corpus_and_manifest_stand_where_a_dataset_has_none(tmp_path):
    write_tar(tmp_path / "x.tar", member("s1-a.mp4"), member("s2-b.mp4"), member("s2-b.json", b'{"speaker": "Bob"}'))
    corpus = Corpus(name="c", root=str(tmp_path), glob="*.tar", speaker=r"(s\d)-", licence="CC0")
    assert [(raw.corpus, raw.speaker, raw.licence) for raw in find_files(corpus)] == [
        ("c", "s1", "CC0"), ("c", "Bob", "CC0"),
    ]  # fmt: skip
    (tmp_path / "list.csv").write_text("uri,speaker,licence\nx.tar,Ada,CC BY\n")
    assert [(raw.speaker, raw.licence) for raw in source_files(str(tmp_path / "list.csv"))] == [
        ("Ada", "CC BY"), ("Bob", "CC BY"),
    ]  # fmt: skip


def test_datasets_in_a_store_are_read_there(tmp_path):
    """Shards, tables and metadata files behind an address."""
    store = fsspec.filesystem("memory")
    store.pipe("/set/x.tar", write_tar(tmp_path / "x.tar", member("a.mp4", b"tar")).read_bytes())
    pq.write_table(pa.table({"video": [{"bytes": b"cell", "path": "b.mp4"}]}), tmp_path / "y.parquet")
    store.pipe("/set/y.parquet", (tmp_path / "y.parquet").read_bytes())
    store.pipe("/set/metadata.csv", b"file_name,speaker\nc.mp4,Ada\nx.tar,Bob\n")
    store.pipe("/set/c.mp4", b"file")
    try:
        files = {raw.uri.rsplit("/", 1)[-1]: raw for raw in source_files("memory://set")}
        assert {name: raw.speaker for name, raw in files.items()} == {"c.mp4": "Ada", "a.mp4": "Bob", "b.mp4": None}
        for name, data in (("a.mp4", b"tar"), ("b.mp4", b"cell"), ("c.mp4", b"file")):
            with localise(files[name].uri, tmp_path) as copy:
                assert copy.read_bytes() == data
        assert [raw.uri for raw in source_files("memory://set/y.parquet")] == [files["b.mp4"].uri]
        check_source("memory://set/x.tar")
        assert gone([files["a.mp4"].uri, files["b.mp4"].uri]) == frozenset()
        store.rm("/set/x.tar")
        assert gone([files["a.mp4"].uri]) == {files["a.mp4"].uri}
    finally:
        store.rm("/set", recursive=True)


def test_server_that_gives_no_parts_of_files_is_named(tmp_path):
    """As Python's own: nothing in a shard could be found without fetching all of it for each member."""
    write_tar(tmp_path / "x.tar", member("a.mp4", bytes(1 << 20)), member("b.mp4"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "list.csv").write_text(f"uri\n{origin}/x.tar\n")
        try:
            with pytest.raises(SourceError, match=r"x\.tar: "):
                list(source_files(str(tmp_path / "list.csv"), origins=[origin]))
        finally:
            server.shutdown()
