"""Members of tar shards: listed with their labels, readable at their addresses; tricks are named."""

import json
import os
import tarfile

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.catalog import catalog_table, refused_row
from heterodub.tasks.media.paths import content_of, localise
from heterodub.tasks.media.tar_members import read_entries
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files, gone
from heterodub.tasks.sources.open import check_source, source_files
from tests.tasks.sources.archives import FILMS, LABELS, member, reasons, write_tar


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


def test_link_put_in_the_place_of_a_shard_is_not_followed(tmp_path):
    (folder := tmp_path / "raw").mkdir()
    shard = write_tar(folder / "x.tar", member("a.mp4"))
    (raw,) = source_files(str(folder))
    shard.rename(tmp_path / "elsewhere.tar")
    shard.symlink_to(tmp_path / "elsewhere.tar")
    with pytest.raises(MediaRefusedError, match="link_outside"):
        content_of(raw.uri, within=raw.within)
    assert reasons(folder) == {"x.tar": FileReason.LINK_OUTSIDE}


def test_text_that_is_not_unicode_is_escaped_or_refused(tmp_path):
    """Names in bytes, and lone surrogates in JSON, as no table can hold them."""
    odd = os.fsdecode(b"\xff")
    label = json.dumps({"speaker": "\ud800"}).encode()
    write_tar(
        tmp_path / "x.tar",
        member(f"s{odd}-a.mp4"),
        member(f"s{odd}-b.mp4"),
        member(f"s{odd}-b.json", b"[1]"),
        member("s1-c.mp4"),
        member("s1-c.json", label),
    )
    files = list(find_files(Corpus(root=str(tmp_path), speaker="(.*)-")))
    assert [(raw.speaker, raw.refusal) for raw in files] == [
        (r"s\xff", None), (r"s\xff", FileReason.LABELS_UNREADABLE), ("s1", FileReason.LABELS_UNREADABLE),
    ]  # fmt: skip
    for raw in files:
        catalog_table([refused_row(raw, "1", MediaRefusedError(FileReason.NO_FACE, raw.refusal_detail))])
