"""The functions that read untrusted input, each with small valid inputs and the errors that it may raise."""

import contextlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from heterodub.schemas.policy import DEFAULT_POLICY, load_policy
from heterodub.schemas.promotion import DEFAULT_PROMOTION, load_promotion_policy
from heterodub.schemas.tables import TABLES
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.inspect.check_workspace import check_workspace
from heterodub.tasks.inspect.list import ListQuery, list_clips, list_files
from heterodub.tasks.inspect.status import status
from heterodub.tasks.labelling.label_file import import_labels
from heterodub.tasks.labelling.listing import list_labels
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.reproduction.study_scoring import as_table, score_study
from heterodub.tasks.reproduction.study_videos import read_videos
from heterodub.tasks.sources.corpus import load_corpus
from heterodub.tasks.sources.exported import exported_files
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.sources.manifest import read_manifest
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.workspace import Workspace
from tests.fuzz.model_targets import model_targets
from tests.fuzz.provenance_targets import provenance_targets
from tests.fuzz.target import OWN, FuzzTarget, text
from tests.tasks.inspect import footage


def _film(folder: Path, name: str, form: str, codec: str) -> None:
    with av.open(str(folder / name), "w", format=form) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb8" if codec == "gif" else "yuv420p"
        for number in range(6):
            picture = np.full((64, 64, 3), 40 * number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=stream.pix_fmt)))
        out.mux(stream.encode(None))


def _films(folder: Path) -> None:
    _film(folder, "a.mp4", "mp4", "mpeg4")
    _film(folder, "b.mkv", "matroska", "mpeg4")
    _film(folder, "c.avi", "avi", "mpeg4")
    _film(folder, "d.gif", "gif", "gif")
    _film(folder, "e.ts", "mpegts", "mpeg2video")


def _look(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(MediaRefusedError):
            probe(path, sniff(path), LimitSettings())


_SOUNDS: Final = (
    *(("a.wav", "wav", "pcm_s16le"), ("b.flac", "flac", "flac"), ("c.mp3", "mp3", "libmp3lame")),
    *(
        ("d.ogg", "ogg", "libopus"),
        ("e.aac", "adts", "aac"),
        ("f.aiff", "aiff", "pcm_s16be"),
        ("g.m4a", "ipod", "aac"),
    ),
)
"""Names, formats and codecs: each demuxer that a speech may go through."""


def _sounds(folder: Path) -> None:
    tone = 0.3 * np.sin(np.arange(9600, dtype=np.float32) / 10)
    for name, form, codec in _SOUNDS:
        with av.open(str(folder / name), "w", format=form) as out:
            stream = out.add_stream(codec, rate=48_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
            frame.sample_rate, frame.pts = 48_000, 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))


def _listen(scratch: Path) -> Callable[[Path], object]:
    """Opens each file as a speech, as a dubbing does."""

    def listen(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(MediaRefusedError), SpeechSource.open(path, LimitSettings(), scratch) as speech:
                speech.samples(0, 16_000)
                speech.sound(0, 48_000)

    return listen


_ROWS: Final = "uri,speaker,licence,language,offset\na.mp4,ada,CC0,en,0.04\n./b c.mp4,bea,,de,\nfile:///x/y.mp4,,,,0\n"


def _manifests(folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"x")
    (folder / "m.csv").write_text(_ROWS)
    (folder / "m.tsv").write_text(_ROWS.replace(",", "\t"))
    (folder / "m.jsonl").write_text('{"uri": "a.mp4", "speaker": "ada"}\n{"uri": "b c.mp4", "offset": 0.5}\n')
    pq.write_table(pa.table({"uri": ["a.mp4", "b.mp4"], "offset": [0.0, 1.0]}), folder / "m.parquet")


def _export(folder: Path) -> None:
    (folder / "media").mkdir()
    (folder / "media" / "a.mp4").write_bytes(b"x")
    (folder / "media.csv").write_text("uri,speaker,licence\nmedia/a.mp4,ada,CC0\n")
    (folder / "export.json").write_text('{"release": "r0123456789ab", "media": 1}')


def _datasets(folder: Path) -> None:
    with tarfile.open(folder / "shard.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("a.mp4", b"film"), ("a.json", b'{"speaker": "ada", "offset": 0.5}'), ("b" * 120, b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    films = [{"bytes": b"film", "path": "b.mp4"}, {"bytes": None, "path": "/x/c.mp4"}]
    pq.write_table(pa.table({"video": films, "speaker": ["ada", None]}), folder / "rows.parquet")
    (folder / "c.mp4").write_bytes(b"x")
    (folder / "metadata.jsonl").write_text('{"file_name": "c.mp4", "speaker": "ada"}\n{"file_name": "lost.mp4"}\n')


def _look_inside(folder: Path) -> None:
    gone(raw.uri for raw in source_files(str(folder)))


def _list(folder: Path) -> None:
    for path in sorted(folder.glob("m.*")):
        with contextlib.suppress(HeterodubError):
            list(read_manifest(path, "corpus"))


_CORPUS: Final = """name = "films"
root = "below"
glob = "**/*.mp4"
speaker = "(?P<speaker>s[0-9]+)/"
licence = "CC0"
language = "en"
"""
_SETTINGS: Final = """workspace = "ws"
backend = "face_mesh_v1"
[clips]
min_s = 1.0
[limits]
time_limit_s =  120
[run]
workers = 2
[tracking]
uri = "http://127.0.0.1:5000"
[stage1]
preset = "tiny"
[stage1.data]
batch_size = 8
[retrain]
corpora = ["a.toml"]
"""
_JOBS: Final = "video,speech,out,face,length\na.mp4,a.wav,out.mp4,1,picture\nb.mp4,b.wav,out2.mp4,,speech\n"
_VIDEOS: Final = "clip,system,video,source\n1,ours,a.mp4,s.mp4\n1,theirs,b.mp4,s.mp4\n"
_KEY: Final = {
    "kind": "heterodub-study-key",
    "study": "x",
    "title": "a study",
    "systems": ["ours", "theirs"],
    "items": {"a": {"clip": "1", "system": "ours"}, "b": {"clip": "1", "system": "theirs"}},
    "forms": [["a", "b"]],
    "page_sha256": "0" * 64,
}
_GRADES: Final = {"visual": 3, "sync": 4, "identity": 5}
_ANSWERS: Final = {
    "kind": "heterodub-study-answers",
    "study": "x",
    "rater": 1,
    "form": 0,
    "started_utc": "2026-01-01T00:00:00Z",
    "saved_utc": "2026-01-01T00:09:00Z",
    "finished": True,
    "answers": [{"item": one, "grades": _GRADES, "plays": 1, "seconds": 9.5} for one in "ab"],
}


def _study(folder: Path) -> None:
    (folder / "key.json").write_text(json.dumps(_KEY))
    (folder / "answers").mkdir()
    (folder / "answers" / "1.json").write_text(json.dumps(_ANSWERS))


def _workspace(sound: Path) -> FuzzTarget:
    if not sound.exists():
        footage.make(sound)

    def ask(folder: Path) -> None:
        ws = Workspace.open(str(folder))
        for look in (
            lambda: active_policy(ws),
            lambda: [tables.read(ws, table) for table in TABLES],
            lambda: check_workspace(footage.settings(folder)),
            lambda: status(footage.settings(folder)),
            lambda: list_files(ws, ListQuery(None, None, None, None)),
            lambda: list_clips(ws, ListQuery(None, None, None, None)),
        ):
            with contextlib.suppress(OWN):
                look()

    return FuzzTarget(lambda folder: shutil.copytree(sound, folder, dirs_exist_ok=True), ask, "**/*")


def _take_down(folder: Path) -> None:
    """A takedown deletes: whatever the workspace says, only inside it."""
    beside = folder.parent / "beside"
    beside.mkdir(exist_ok=True)
    (beside / "kept").write_text("kept")
    ws = Workspace.open(str(folder))
    take_down(
        ws, Settings(workspace=str(folder)), None, plan_takedown(ws, None, find_scope(ws, "corpus", "default")), ""
    )
    if not (beside / "kept").exists():
        raise AssertionError("a file outside the workspace is gone")


def _labels(sound: Path) -> FuzzTarget:
    """A table of labels, for a copy of a workspace."""

    def make(folder: Path) -> None:
        shutil.copytree(sound, folder / "ws")
        rows = [
            f"{footage.clip_id(clip)},{stage},{verdict},{reason},Ann"
            for clip, stage, verdict, reason in zip(
                footage.CLIPS_MADE, ("stage1", "stage2") * 2, ("keep", "refuse") * 2, ("fit", "grey") * 2, strict=False
            )
        ]
        (folder / "l.csv").write_text("\n".join(["clip,stage,verdict,reason,by", *rows]) + "\n")

    def take(folder: Path) -> None:
        ws = Workspace.open(str(folder / "ws"))
        import_labels(ws, folder / "l.csv")
        list_labels(ws, footage.POLICY)

    return FuzzTarget(make, take, "l.csv")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def targets(scratch: Path) -> dict[str, FuzzTarget]:
    """Every target by its name; sound inputs that take long to make are made once, in `scratch`."""
    log = _workspace(scratch / "workspace")
    return {
        "probe": FuzzTarget(_films, _look),
        "manifest": FuzzTarget(_manifests, _list, "m.*"),
        "export": FuzzTarget(_export, lambda folder: list(exported_files(folder, "films")), "*.*"),
        "data sets": FuzzTarget(_datasets, _look_inside),
        "corpus": FuzzTarget(
            text("c.toml", _CORPUS), lambda one: load_corpus(one / "c.toml").speaker_of("s1/" + "a" * 99)
        ),
        "settings": FuzzTarget(text("s.toml", _SETTINGS), lambda folder: load_settings(folder / "s.toml")),
        "policy": FuzzTarget(
            lambda folder: shutil.copy(DEFAULT_POLICY, folder / "p.toml"), lambda folder: load_policy(folder / "p.toml")
        ),
        "promotion policy": FuzzTarget(
            lambda folder: shutil.copy(DEFAULT_PROMOTION, folder / "p.toml"),
            lambda folder: load_promotion_policy(folder / "p.toml"),
        ),
        "jobs": FuzzTarget(text("j.csv", _JOBS), lambda folder: read_jobs(folder / "j.csv")),
        "videos": FuzzTarget(text("v.csv", _VIDEOS), lambda folder: read_videos(folder / "v.csv")),
        "study": FuzzTarget(
            _study, lambda one: as_table(score_study(one / "key.json", [one / "answers"])), "**/*.json"
        ),
        "labels": _labels(scratch / "workspace"),
        "workspace": log,
        "delta log": FuzzTarget(log.make, log.take, "**/_delta_log/*.json"),
        "takedown": FuzzTarget(log.make, _take_down, "**/*"),
        "sound": FuzzTarget(_sounds, _listen(_made(scratch / "spools"))),
        **model_targets(scratch),
        **provenance_targets(_made(scratch / "signed"), lambda folder: _film(folder, "a.mp4", "mp4", "mpeg4")),
    }
