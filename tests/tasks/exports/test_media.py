"""Raw files and sounds in an export: what is there is copied, what is gone is named; an export as a source."""

import io
import json
import wave
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import SourceError
from heterodub.tasks.exports.export import ExportRequest, export_release
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.reading.workspace import ReleaseReader, WorkspaceReader
from heterodub.tasks.sources.open import check_source, source_files
from heterodub.tasks.stores.batches import FileBatch
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.media.media_files import SoundTrack, draw, regular, write_media
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import write_part
from tests.tasks.training.talkers import EXTRACTOR, commit, publish

FRAMES, FIRST, SHIFT = 10, 3, 2
RATE_HZ = 16_000
LABELS = {"speaker": "Ada, Countess", "licence": "CC BY 4.0", "language": "en", "corpus": "letters"}


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A second of pictures, and of a tone that grows louder."""
    times = np.arange(RATE_HZ) / RATE_HZ
    tone = (0.4 * times * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[None]
    path = tmp_path_factory.mktemp("footage") / "film.mkv"
    return write_media(path, regular(25), track=SoundTrack(tone, RATE_HZ), pictures=[draw(at) for at in range(25)])


@pytest.fixture(scope="module")
def release(film, tmp_path_factory) -> ReleaseReader:
    """A clip of the film, and a clip of a film that is gone."""
    ws = Workspace.open(str(tmp_path_factory.mktemp("media") / "workspace"), create=True)
    commit([_batch(ws, 0, fingerprint(film), str(film)), _batch(ws, 3, sample.media_id(3), "/footage/3.mp4")], ws)
    publish(ws)
    return WorkspaceReader(ws).release()


def _batch(ws: Workspace, number: int, media: str, uri: str) -> FileBatch:
    place = {"media_id": media, "uri": uri}
    row = sample.stage1_row(number, 0, FRAMES, sound_shift_frames=SHIFT) | {"media_id": media}
    facts = {"frames": FRAMES, "start_frame": FIRST, "stage2": False, "extractor": EXTRACTOR, "split": "train"}
    clip = sample.clip_row(number, 0, **facts, **place)
    clip |= {name: LABELS[name] for name in ("speaker", "corpus", "licence")}
    catalog = sample.catalog_row(number, extractor=EXTRACTOR, offset_s=0.0, **place) | LABELS
    part = write_part(ws, "stage1", media, EXTRACTOR, sample.stage1(row))
    return FileBatch(frozenset({media}), sample.catalog(catalog), sample.clips(clip), [part], [])


@pytest.fixture(scope="module")
def exported(release, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "hf"
    summary = export_release(release, ExportRequest("hf", folder, media=True, sound=True), LimitSettings())
    assert summary["state"] == "partial"
    assert summary["media_left_out"] == {"/footage/3.mp4": "vanished"}
    assert list(summary["sounds_left_out"]) == [sample.clip_id(3)]
    return folder


def rows_of(folder: Path) -> dict[str, dict]:
    return {row["clip_id"]: row for row in pq.read_table(folder / "stage1" / "train-00000.parquet").to_pylist()}


def test_raw_files_are_copied_and_referred_to(exported, film):
    rows = rows_of(exported)
    video = rows[sample.clip_id(0)]["video"]
    assert (exported / video).read_bytes() == film.read_bytes()
    assert rows[sample.clip_id(0)]["licence"] == LABELS["licence"]
    assert rows[sample.clip_id(3)]["video"] is None
    assert len(list((exported / "media").iterdir())) == 1


def test_sound_is_that_of_the_clip_in_sync(exported):
    """The tone grows louder, so its level tells the time at which it was read."""
    rows = rows_of(exported)
    with wave.open(io.BytesIO(rows[sample.clip_id(0)]["audio"]["bytes"])) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE_HZ, FRAMES * SAMPLES_PER_FRAME)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    first_s = (FIRST + SHIFT) / 25
    for part in (slice(0, 1600), slice(-1600, None)):
        middle_s = first_s + np.arange(len(samples))[part].mean() / RATE_HZ
        assert np.sqrt(2 * np.mean(samples[part] ** 2)) == pytest.approx(0.4 * middle_s, rel=0.05)
    assert rows[sample.clip_id(3)]["audio"] is None


def test_sound_reads_as_a_feature(exported):
    schema = pq.read_schema(exported / "stage1" / "train-00000.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["audio"] == {"sampling_rate": RATE_HZ, "_type": "Audio"}
    assert schema.field("audio").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_export_with_raw_files_is_a_source(exported, film):
    (raw,) = source_files(str(exported))
    assert fingerprint(Path(raw.uri), raw.within) == fingerprint(film)
    assert {name: getattr(raw, name) for name in LABELS} == LABELS
    check_source(str(exported))


def test_export_without_raw_files_is_refused(release, tmp_path):
    export_release(release, ExportRequest("webdataset", tmp_path / "wds"), LimitSettings())
    with pytest.raises(SourceError, match="without raw files"):
        check_source(str(tmp_path / "wds"))
    with pytest.raises(SourceError, match="a part of an export"):
        check_source(str(tmp_path / "wds" / "stage1"))


@pytest.mark.parametrize(
    ("record", "manifest", "words"),
    [
        ('{"release": "r1", "media": 1e999}', "uri\nmedia/film.mkv\n", "not the record"),
        ("[]", "uri\nmedia/film.mkv\n", "not the record"),
        ('{"release": "r1", "media": 1}', "uri\nmedia/../../film.mkv\n", "is not in"),
        ('{"release": "r1", "media": 1}', None, "media.csv"),
    ],
)
def test_damaged_export_is_refused(film, tmp_path, record, manifest, words):
    """As a stranger's may be: it must not lead to files elsewhere."""
    (folder := tmp_path / "export").mkdir()
    (folder / "media").mkdir()
    (tmp_path / "film.mkv").write_bytes(film.read_bytes())
    (folder / "export.json").write_text(record)
    if manifest is not None:
        (folder / "media.csv").write_text(manifest)
    with pytest.raises(SourceError, match=words):
        list(source_files(str(folder)))
