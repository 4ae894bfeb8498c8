"""The functions that read untrusted input, each with small valid inputs and the errors that it may raise."""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.baselines.files import load_baseline
from model.checksums import verify_checksums, write_checksums
from model.stage1.files import load_generator, save_generator
from model.stage1.inference import predict_clip
from model.stage1.network import LandmarkGenerator
from model.stage2.files import load_discriminators, load_translator
from model.stage2.inference import TranslatorInference
from schemas.cards import GeneratorCard
from schemas.config.limits import GuardSettings
from schemas.config.settings import load_settings
from schemas.config.training import Stage1Settings
from schemas.errors import HeterodubError, MediaRefusedError
from schemas.policy import DEFAULT_POLICY, load_policy
from schemas.promotion import DEFAULT_PROMOTION, load_promotion_policy
from schemas.tables import TABLES
from tasks.dubbing.batch import read_jobs
from tasks.inspect.check_workspace import check_workspace
from tasks.inspect.list import ListQuery, list_clips, list_files
from tasks.inspect.status import status
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.reproduction.study.scoring import as_table, score_study
from tasks.reproduction.study.videos import read_videos
from tasks.sources.corpus import load_corpus
from tasks.sources.manifest import read_manifest
from tasks.stores import tables
from tasks.stores.active_policy import active_policy
from tasks.stores.workspace import Workspace
from tasks.tracking.example import baseline_example, input_example, translator_example
from tests.fuzz.mutations import damaged
from tests.model.baselines import test_files as baselines
from tests.model.stage2 import test_files as translators
from tests.tasks.inspect import footage

OWN: Final = (HeterodubError, MediaRefusedError)


@dataclass(frozen=True)
class FuzzTarget:
    """One way in. make: writes a sound input into a folder. take: reads what lies there then. files: which of them are
    damaged. raises: errors that are a refusal here. draws: a file "draw" says how `take` changes arrays of its own.
    """

    make: Callable[[Path], object]
    take: Callable[[Path], object]
    files: str = "*"
    raises: tuple[type[Exception], ...] = OWN
    draws: bool = False

    def damage(self, folder: Path, chance: random.Random) -> None:
        """Damage one file of the input."""
        path = chance.choice(sorted(path for path in folder.glob(self.files) if path.is_file()))
        path.write_bytes(damaged(path.read_bytes(), chance))


def _text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


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
            probe(path, sniff(path), GuardSettings())


_ROWS: Final = "uri,speaker,licence,language,offset\na.mp4,ada,CC0,en,0.04\n./b c.mp4,bea,,de,\nfile:///x/y.mp4,,,,0\n"


def _manifests(folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"x")
    (folder / "m.csv").write_text(_ROWS)
    (folder / "m.tsv").write_text(_ROWS.replace(",", "\t"))
    pq.write_table(pa.table({"uri": ["a.mp4", "b.mp4"], "offset": [0.0, 1.0]}), folder / "m.parquet")


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
[guards]
time_limit_s = 120
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


def _inputs(take: Callable[[dict[str, Any]], object], example: dict[str, Any]) -> Callable[[Path], object]:
    """Takes arrays that differ from the example as the damaged file says: it is the draw's only source."""

    def taken(folder: Path) -> object:
        chance = random.Random((folder / "draw").read_bytes())
        given = {name: np.array(values) for name, values in example.items()}
        for name in chance.sample(sorted(given), chance.choice((1, 1, 2))):
            given[name] = _other(given[name], chance)
        return take(given)

    return taken


def _other(values: np.ndarray, chance: random.Random) -> np.ndarray:
    change = chance.randrange(7)
    if change == 0:
        return values[: chance.randrange(len(values))]
    if change == 1:
        return values[..., : chance.randrange(values.shape[-1])]
    if change == 2:
        return values.astype(chance.choice((np.float64, np.int64, np.complex64, np.bool_, object, "U8")))
    if change == 3:
        return values.reshape(-1) if chance.random() < 0.5 else values[None]
    if change == 4:
        return np.zeros_like(values)
    other = values.astype(np.float64)
    other.reshape(-1)[chance.randrange(other.size)] = chance.choice((np.nan, np.inf, -np.inf, 1e30, -1e308))
    return other if change == 5 else other.astype(values.dtype)


def _save_generator(folder: Path) -> None:
    shape = Stage1Settings(preset="tiny").architecture
    card = GeneratorCard(architecture=shape, backend="face_mesh_v1", release="r0", seed=0, steps=7)
    save_generator(folder, LandmarkGenerator(shape), card)


def _models(scratch: Path) -> dict[str, FuzzTarget]:
    """Folders and inputs of each kind of model."""
    if not (scratch / "generator").exists():
        _save_generator(scratch / "generator")
        translators.saved(scratch / "translator")
        baselines.saved(scratch / "baseline")
        for name in ("generator", "translator", "baseline"):
            write_checksums(scratch / name)
    generator, card = load_generator(scratch / "generator")
    translator = TranslatorInference(load_translator(scratch / "translator")[0])
    baseline, baseline_card = load_baseline(scratch / "baseline")

    def copy(name: str) -> Callable[[Path], object]:
        return lambda folder: shutil.copytree(scratch / name, folder, dirs_exist_ok=True)

    def paint(given: dict[str, Any]) -> object:
        known = translator.appearance(given["reference_pictures"], given["reference_landmarks"])
        return translator.translate(known, given["pictures"], given["source"], given["wanted"])

    def baseline_paint(given: dict[str, Any]) -> object:
        return baseline.generate(
            *(given[one] for one in ("pictures", "mel", "reference_pictures", "reference_landmarks"))
        )

    draw, refusals = _text("draw", "draw"), (*OWN, ValueError)
    return {
        "generator": FuzzTarget(copy("generator"), load_generator),
        "translator": FuzzTarget(
            copy("translator"), lambda folder: (load_translator(folder), load_discriminators(folder))
        ),
        "baseline": FuzzTarget(copy("baseline"), load_baseline),
        "seal": FuzzTarget(copy("generator"), verify_checksums),
        "inputs of the generator": FuzzTarget(
            draw,
            _inputs(lambda given: predict_clip(generator, **given, gain=card.gain), dict(input_example())),
            raises=refusals,
            draws=True,
        ),
        "inputs of the translator": FuzzTarget(
            draw, _inputs(paint, translator_example(64)), raises=refusals, draws=True
        ),
        "inputs of a baseline": FuzzTarget(
            draw,
            _inputs(baseline_paint, baseline_example(baseline_card.architecture.side_px)),
            raises=refusals,
            draws=True,
        ),
    }


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


def targets(scratch: Path) -> dict[str, FuzzTarget]:
    """Every target by its name; sound inputs that take long to make are made once, in `scratch`."""
    log = _workspace(scratch / "workspace")
    return {
        "probe": FuzzTarget(_films, _look),
        "manifest": FuzzTarget(_manifests, _list, "m.*"),
        "corpus": FuzzTarget(
            _text("c.toml", _CORPUS), lambda one: load_corpus(one / "c.toml").speaker_of("s1/" + "a" * 99)
        ),
        "settings": FuzzTarget(_text("s.toml", _SETTINGS), lambda folder: load_settings(folder / "s.toml")),
        "policy": FuzzTarget(
            lambda folder: shutil.copy(DEFAULT_POLICY, folder / "p.toml"), lambda folder: load_policy(folder / "p.toml")
        ),
        "promotion policy": FuzzTarget(
            lambda folder: shutil.copy(DEFAULT_PROMOTION, folder / "p.toml"),
            lambda folder: load_promotion_policy(folder / "p.toml"),
        ),
        "jobs": FuzzTarget(_text("j.csv", _JOBS), lambda folder: read_jobs(folder / "j.csv")),
        "videos": FuzzTarget(_text("v.csv", _VIDEOS), lambda folder: read_videos(folder / "v.csv")),
        "study": FuzzTarget(
            _study, lambda one: as_table(score_study(one / "key.json", [one / "answers"])), "**/*.json"
        ),
        "workspace": log,
        "delta log": FuzzTarget(log.make, log.take, "**/_delta_log/*.json"),
        **_models(scratch),
    }
