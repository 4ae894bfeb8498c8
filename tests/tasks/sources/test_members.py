"""Files inside of shards and tables: each is listed with its labels, readable at its address, and what is wrong with
it is named. Nothing is written.
"""

import io
import json
import os
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.members import Member, container_of, member_of
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.paths import content_of, fingerprint, localise
from heterodub.tasks.media.tar_members import read_entries
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files, gone
from heterodub.tasks.sources.open import check_source, source_files

LABELS = {"speaker": "Ada", "licence": "CC0", "consent": "given", "language": "en", "corpus": "letters"}
FILMS = {f"film {number}": os.urandom(3000 + number) for number in range(3)}


def member(name: str, data: bytes = b"film", kind: bytes = tarfile.REGTYPE, **more) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if kind == tarfile.REGTYPE else 0
    for field, value in more.items():
        setattr(info, field, value)
    return info, data


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], form=tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def listed(path: Path | str) -> dict[str, object]:
    """Files by the ends of their addresses."""
    return {raw.uri.rsplit("/", 1)[-1]: raw for raw in source_files(str(path))}


def reasons(path: Path | str) -> dict[str, FileReason | None]:
    return {name: raw.refusal for name, raw in listed(path).items()}


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


def test_webdataset_is_read_without_unpacking(tmp_path):
    """As its own library writes it, in several shards."""
    import webdataset

    pattern = str(tmp_path / "shard-%02d.tar")
    with webdataset.ShardWriter(pattern, maxcount=2, verbose=0) as shards:
        for key, data in FILMS.items():
            shards.write({"__key__": f"spk/{key}", "mp4": data, "txt": "words", "json": LABELS | {"offset": 0.5}})
    files = list(source_files(str(tmp_path)))
    assert [raw.refusal for raw in files] == [None, FileReason.NOT_MEDIA] * 3
    films = [raw for raw in files if raw.refusal is None]
    for raw, data in zip(films, FILMS.values(), strict=True):
        assert {name: getattr(raw, name) for name in LABELS} == LABELS
        assert (raw.offset_s, raw.size_bytes) == (0.5, len(data))
        with localise(raw.uri, tmp_path) as copy:
            assert copy.read_bytes() == data
        assert content_of(raw.uri, within=raw.within) == content_of(raw.uri)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-00.tar", "shard-01.tar"]
    check_source(str(tmp_path))
    by_numbers = source_files(str(tmp_path / "shard-{00..01}.tar"))
    assert [raw.uri for raw in by_numbers] == [raw.uri for raw in files]


@pytest.mark.parametrize("feature", ["Video", "Image"])
def test_hugging_face_table_is_read_row_by_row(tmp_path, feature, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    kinds = {name: datasets.Value("string") for name in LABELS} | {"speaker": datasets.ClassLabel(names=["Bob", "Ada"])}
    features = datasets.Features({"media": getattr(datasets, feature)(decode=False), **kinds})
    media = [{"bytes": data, "path": f"{name}.mp4"} for name, data in FILMS.items()]
    media.append({"bytes": None, "path": "/etc/passwd"})
    columns = {"media": media} | {name: [value] * 4 for name, value in LABELS.items()}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "train-00000.parquet")
    for source in (tmp_path, tmp_path / "train-00000.parquet"):
        *films, elsewhere = source_files(str(source))
        assert elsewhere.refusal is FileReason.NOT_FOUND
        assert "/etc/passwd" in elsewhere.refusal_detail
        for raw, data in zip(films, FILMS.values(), strict=True):
            assert {name: getattr(raw, name) for name in LABELS} == LABELS
            with localise(raw.uri, tmp_path) as copy:
                assert copy.read_bytes() == data


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_metadata_file_labels_a_folder(tmp_path, form):
    """The videofolder of Hugging Face."""
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "film.mp4").write_bytes(b"1")
    (tmp_path / "train" / "other.mp4").write_bytes(b"2")
    names = {"a/film.mp4": "Ada", "lost.mp4": "Bob", "../../passwd": "Eve"}
    rows = [{"file_name": name, "speaker": who, "caption": "words"} for name, who in names.items()]
    metadata = tmp_path / "train" / f"metadata.{form}"
    if form == "jsonl":
        metadata.write_text("\n".join(json.dumps(row) for row in rows))
    elif form == "csv":
        metadata.write_text("\n".join(",".join(row) for row in [rows[0], *(row.values() for row in rows)]))
    else:
        pq.write_table(pa.Table.from_pylist(rows), metadata)
    files = listed(tmp_path)
    assert {name: (raw.speaker, raw.refusal) for name, raw in files.items()} == {
        "film.mp4": ("Ada", None),
        "other.mp4": (None, None),
        "lost.mp4": ("Bob", FileReason.NOT_FOUND),
        "passwd": (None, FileReason.UNSAFE_NAME),
    }


def test_metadata_of_other_use_is_a_file_like_others(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "metadata.csv").write_bytes(b"title,\xff\n")
    os.mkfifo(tmp_path / "metadata.jsonl")
    assert reasons(tmp_path) == {"a.mp4": None, "metadata.csv": None, "metadata.jsonl": FileReason.NOT_A_REGULAR_FILE}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metadata.jsonl", '{"file_name": "a.mp4"}\n{"file', "line 2"),
        ("metadata.csv", "file_name,offset\na.mp4,late", "row 1: offset"),
        ("metadata.csv", "file_name,speaker\na.mp4,x\na.mp4,y", "row 2: an earlier row says different things"),
    ],
)
def test_damaged_metadata_is_refused(tmp_path, name, text, words):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=words):
        list(source_files(str(tmp_path)))


def test_tricks_of_an_archive_are_named(tmp_path):
    label = json.dumps({"speaker": "Ada"}).encode()
    write_tar(
        tmp_path / "shard.tar",
        member("../../outside.mp4"),
        member("/absolute.mp4"),
        member("link.mp4", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("hard.mp4", kind=tarfile.LNKTYPE, linkname="good.mp4"),
        member("device.mp4", kind=tarfile.CHRTYPE),
        member("pipe.mp4", kind=tarfile.FIFOTYPE),
        member("folder.mp4", kind=tarfile.DIRTYPE),
        member("good.mp4"),
        member("good.json", label),
        member("good.mp4", b"another"),
        member("still.jpg"),
        member("listed.mp4"),
        member("listed.json", b"[1]"),
        member("deep.json", b"[" * 100_000),
        member("deep.mp4"),
        member("late.mp4"),
        member("late.json", b'{"offset": "soon"}'),
        member("odd.mp4"),
        member("odd.json", b'{"speaker": ["Ada"]}'),
        member("big.json", b" " * (1 << 20) + b"{}"),
        member("big.mp4"),
    )
    files = list(source_files(str(tmp_path)))
    assert {(raw.uri.rsplit("/", 1)[-1], raw.refusal and raw.refusal.value) for raw in files} == {
        ("outside.mp4", "unsafe_name"),
        ("absolute.mp4", "unsafe_name"),
        ("link.mp4", "link_in_archive"),
        ("hard.mp4", "link_in_archive"),
        ("device.mp4", "not_a_regular_file"),
        ("pipe.mp4", "not_a_regular_file"),
        ("good.mp4", None),
        ("good.mp4", "duplicate_member"),
        ("still.jpg", "still_picture"),
        *((f"{name}.mp4", "labels_unreadable") for name in ("listed", "deep", "late", "odd", "big")),
    }
    assert next(raw.speaker for raw in files if raw.refusal is None) == "Ada"
    assert [path.name for path in tmp_path.iterdir()] == ["shard.tar"]


def test_size_beyond_the_end_is_named(tmp_path):
    """Of a header's own claim, of one above eight octal digits, and of pax."""
    for number, (claim, form) in enumerate([(10**6, tarfile.GNU_FORMAT), (10**12, tarfile.GNU_FORMAT)]):
        info, _ = member("huge.mp4")
        info.size = claim
        path = tmp_path / f"{number}.tar"
        path.write_bytes(member("a.mp4")[0].tobuf(form)[:0] + info.tobuf(form) + b"film".ljust(512, b"\0"))
        assert reasons(path)["huge.mp4"] is FileReason.DAMAGED_ARCHIVE
    pax = write_tar(tmp_path / "pax.tar", member("p.mp4", pax_headers={"size": "9" * 17}), form=tarfile.PAX_FORMAT)
    assert reasons(pax)["p.mp4"] is FileReason.DAMAGED_ARCHIVE


@pytest.mark.parametrize("keep", [100, 512, 700, 1024, 1100, 1536, 2000])
def test_truncated_archive_is_named(tmp_path, keep):
    """Wherever it ends; whole members before the end stay readable."""
    whole = write_tar(tmp_path / "whole.tar", member("a.mp4", b"a" * 512), member("b.mp4", b"b" * 512)).read_bytes()
    (tmp_path / "whole.tar").unlink()
    (tmp_path / "cut.tar").write_bytes(whole[:keep])
    actual = reasons(tmp_path / "cut.tar")
    assert actual["cut.tar"] is FileReason.DAMAGED_ARCHIVE
    assert actual.get("a.mp4", "absent") == (None if keep >= 1024 else "absent" if keep < 512 else "damaged_archive")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (member("x", kind=b"L", size=1 << 30), "a header of 1073741824 bytes"),
        (member("x", kind=b"x", size=1 << 30), "a header of 1073741824 bytes"),
        (member("x", kind=b"S"), "sparse"),
    ],
)
def test_headers_that_would_take_memory_are_refused(tmp_path, header, words):
    info, _ = header
    if info.type != b"S":
        info.size = 1 << 30
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    (raw,) = source_files(str(tmp_path / "x.tar"))
    assert raw.refusal is FileReason.DAMAGED_ARCHIVE
    assert words in raw.refusal_detail


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_entries_are_those_of_tarfile(tmp_path, form):
    long = "a" * (90 if form == tarfile.USTAR_FORMAT else 300)
    names = [f"{long}/film.mp4", "plain.mp4", os.fsdecode(b"\xff.mp4")]
    path = write_tar(tmp_path / "x.tar", *(member(name, name.encode("utf-8", "ignore")) for name in names), form=form)
    with tarfile.open(path) as tar, path.open("rb") as file:
        expected = [(one.name, one.offset, one.offset_data, one.size) for one in tar.getmembers()]
        actual = [(one.name, one.offset, one.data_offset, one.size) for one in read_entries(file)]
        assert actual == expected
        assert [next(read_entries(file, entry[1])).name for entry in expected] == [entry[0] for entry in expected]


def test_what_is_no_tar_is_named(tmp_path):
    (tmp_path / "text.tar").write_text("no tar at all\n" * 100)
    (tmp_path / "packed.tar.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "table.parquet").write_bytes(b"PAR1 and no more")
    assert reasons(tmp_path) == {
        "text.tar": FileReason.DAMAGED_ARCHIVE,
        "packed.tar.gz": FileReason.UNSUPPORTED_CONTAINER,
        "table.parquet": FileReason.DAMAGED_ARCHIVE,
    }


def test_table_without_media_stays_a_file(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "table.parquet")
    assert reasons(tmp_path) == {"table.parquet": None}


def test_members_of_a_shard_that_was_written_anew_are_gone(tmp_path):
    path = write_tar(tmp_path / "x.tar", member("a.mp4"), member("b.mp4"))
    a, b = (raw.uri for raw in source_files(str(path)))
    assert gone([a, b]) == frozenset()
    write_tar(path, member("b.mp4"), member("c.mp4"))
    assert gone([a, b]) == {a, b}
    with pytest.raises(MediaRefusedError, match="changed"):
        content_of(a)
    path.unlink()
    assert gone([a, b]) == {a, b}
    with pytest.raises(MediaRefusedError, match="vanished"):
        content_of(a)


def test_rows_of_a_table_that_shrank_are_gone(tmp_path):
    films = [{"bytes": data, "path": None} for data in FILMS.values()]
    pq.write_table(pa.table({"video": films}), tmp_path / "x.parquet", row_group_size=2)
    uris = [raw.uri for raw in source_files(str(tmp_path))]
    assert [content_of(uri) for uri in uris] == [fingerprint(write(tmp_path / "f", data)) for data in FILMS.values()]
    pq.write_table(pa.table({"video": films[:1]}), tmp_path / "x.parquet")
    assert gone(uris) == set(uris[1:])
    with pytest.raises(MediaRefusedError, match="changed"):
        content_of(uris[2])


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_link_put_in_the_place_of_a_shard_is_not_followed(tmp_path):
    (folder := tmp_path / "raw").mkdir()
    shard = write_tar(folder / "x.tar", member("a.mp4"))
    (raw,) = source_files(str(folder))
    shard.rename(tmp_path / "elsewhere.tar")
    shard.symlink_to(tmp_path / "elsewhere.tar")
    with pytest.raises(MediaRefusedError, match="link_outside"):
        content_of(raw.uri, within=raw.within)
    assert reasons(folder) == {"x.tar": FileReason.LINK_OUTSIDE}


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


@pytest.mark.parametrize("pattern", ["x-{5..2}.tar", "x-{0..99999999}.tar"])
def test_numbers_that_stand_for_no_data_set_are_refused(pattern):
    with pytest.raises(SourceError, match="stands for"):
        list(source_files(f"/nowhere/{pattern}"))


def test_folder_of_save_to_disk_is_named(tmp_path):
    for name in ("state.json", "dataset_info.json", "data-00000.arrow"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(SourceError, match="to_parquet"):
        check_source(str(tmp_path))


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
