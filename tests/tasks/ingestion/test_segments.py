"""Films analysed in segments: the rows of one pass, whatever lies across the border; their parts in a workspace.

In this process, in which sections can be short; tests/flows/test_segments.py has a film of real length and workers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason, FileState, Stage
from heterodub.schemas.records import WHOLE_FILM, FileOutcome
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.ingestion import driver, schedule
from heterodub.tasks.ingestion.cutting import cut_into_segments
from heterodub.tasks.ingestion.job import Analysis, Cutting, FileJob, Identification
from heterodub.tasks.ingestion.schedule import Schedule
from heterodub.tasks.ingestion.segments import joined
from heterodub.tasks.ingestion.worker import FileResult, Task, TaskResult
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.delta import snapshot
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_store import ClipSource, StoredClips
from tests.flows.heads import head, voice
from tests.tasks.ingestion.conftest import analysed, job_of, settings_in
from tests.tasks.media.media_files import SoundTrack, regular, write_media

LENIENT = Policy.model_validate({"name": "lenient", "version": 1, "stage1": {}, "stage2": {}})
BORDER = 200
LENGTH = 320
OFTEN = {"preset": "ultrafast", "crf": "18", "g": "12", "bf": "2", "x264-params": "scenecut=0"}


@pytest.fixture(autouse=True)
def short_sections(monkeypatch):
    """Sections of four seconds: films of more than a minute would be none for a test."""
    monkeypatch.setattr("heterodub.model.features.timing.SECTION_FRAMES", BORDER // 2)


def dissolved(first: list[np.ndarray], second: list[np.ndarray], begin: int, frames: int) -> list[np.ndarray]:
    shares = np.clip((np.arange(len(first)) - begin + 1) / (frames + 1), 0, 1)
    return [(a * (1 - s) + b * s).astype(np.uint8) for a, b, s in zip(first, second, shares, strict=True)]


def interlaced(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Each picture with the odd lines of the next but one, which stands for the moment half a frame later."""
    woven = [picture.copy() for picture in pictures]
    for picture, later in zip(woven, pictures[2:], strict=False):
        picture[1::2] = later[1::2]
    return woven


def film(folder: Path, kind: str) -> Path:
    """Some 13 s with something across the border at 8 s."""
    times, pictures, more = regular(LENGTH), head(1, LENGTH), {"options": OFTEN}
    track, name = voice(1, LENGTH / 25, 22_050), "film.mp4"
    match kind:
        case "face":
            pass
        case "cuts":  # a shot before and after the border that are too short for clips, and one across it
            other = head(2, LENGTH)[::-1]
            pictures = [
                np.fliplr(b) if at in range(150, 190) or at > 212 else a
                for at, (a, b) in enumerate(zip(pictures, other, strict=True))
            ]
        case "dissolve":
            pictures = dissolved(
                pictures, [np.fliplr(picture)[:, ::-1][::-1] for picture in head(5, LENGTH)], BORDER - 8, 16
            )
        case "uneven":  # VFR, a hole of two seconds across the border, and sound by another clock
            rng = np.random.default_rng(4)
            times = np.cumsum(rng.integers(17, 70, LENGTH)).tolist()
            times = [time + (2000 if time > 7200 else 0) for time in times]
            track = SoundTrack(track.samples, track.rate_hz, start_s=1000.0, gaps={100_000: 0.5})
            name, more = "film.mkv", {"options": OFTEN | {"x264-params": "scenecut=0:open-gop=1"}}
        case "late sound":  # behind all that the first segment reads of it
            track = SoundTrack(track.samples, track.rate_hz, start_s=20.0)
        case "interlaced":
            pictures = interlaced([np.roll(picture, 4 * at % 60, 1) for at, picture in enumerate(pictures)])
    return write_media(folder / name, times, track, size=(256, 256), pictures=pictures, **more)


def payload(settings, analyses: Sequence[Analysis], table: str) -> list[dict]:
    folder = Path(settings.workspace) / table
    tables = [pq.read_table(folder / part.parts[table].name) for part in analyses if table in part.parts]
    return pa.concat_tables(tables).sort_by("clip_id").to_pylist() if tables else []


def damaged(path: Path, packet: int) -> Path:
    """The film with a packet of its pictures overwritten."""
    with av.open(str(path)) as source:
        spoilt = next(islice(source.demux(video=0), packet, None))
        place, size = spoilt.pos, spoilt.size
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(b"\xff" * size)
    return path


def require_rows_of_one_pass(path: Path, folder: Path) -> list[Analysis]:
    """Analyse a film in one pass and in two segments; return the analyses of the segments."""
    one, many, job = settings_in(folder / "one"), settings_in(folder / "many"), job_of(path)
    segments = cut_into_segments(Cutting(job, 2, 4.0), many)
    assert [(segment.first, segment.stop) for segment in segments] == [(0, BORDER), (BORDER, None)]
    assert 0 < segments[1].resume_packet < segments[1].exact_packet < BORDER
    whole = analysed(job, one, LENIENT)
    order, film_of_parts = Schedule([], 2), None
    order.cut(job, segments)
    for task in order:
        part = FileResult(task, analysed(task, many, LENIENT), None)
        film_of_parts = order.analysed(task, part)
    assert film_of_parts is not None
    actual = film_of_parts.result.analysis
    assert actual is not None
    for name in ("outcome", "facts", "media_s", "dropped_s"):
        assert getattr(actual, name) == getattr(whole, name)
    assert actual.clips.to_pylist() == whole.clips.to_pylist()
    for table in ("stage1", "stage2"):
        assert payload(many, film_of_parts.segments, table) == payload(one, [whole], table)
    return list(film_of_parts.segments)


@pytest.mark.parametrize("kind", ["face", "cuts", "dissolve", "uneven", "interlaced", "late sound"])
def test_segments_give_the_rows_of_one_pass(kind, tmp_path):
    parts = require_rows_of_one_pass(film(tmp_path, kind), tmp_path)
    assert len(parts) == 2
    assert all(part.clips.num_rows for part in parts)


@pytest.mark.parametrize(("kind", "packet"), [("late sound", 150), ("face", 203)])
def test_segments_of_a_damaged_film_give_the_rows_of_one_pass(kind, packet, tmp_path):
    parts = require_rows_of_one_pass(damaged(film(tmp_path, kind), packet), tmp_path)
    assert parts[-1].outcome.error
    assert len(parts) == 1 + (packet > BORDER)


def test_short_films_and_those_without_key_pictures_or_times_stay_whole(tmp_path, settings):
    short = write_media(tmp_path / "short.mp4", regular(60))
    assert cut_into_segments(Cutting(job_of(short), 4, 4.0), settings) == (WHOLE_FILM,)
    back = write_media(tmp_path / "film.avi", regular(LENGTH))
    assert cut_into_segments(Cutting(job_of(back), 4, 4.0), settings) == (WHOLE_FILM,)
    seldom = write_media(tmp_path / "seldom.mp4", regular(LENGTH), options={"preset": "ultrafast", "g": "900"})
    assert cut_into_segments(Cutting(job_of(seldom), 4, 4.0), settings) == (WHOLE_FILM,)


def test_joined_film_has_the_sums_and_the_outcome_of_its_segments():
    def part(error: str, reason: FileReason | None, frames: int) -> Analysis:
        state = FileState.REJECTED if reason else FileState.MEASURED
        notes = {"{} pictures are interlaced": [frames]}
        return Analysis(
            FileOutcome(state, reason, error, ("sound",)), None, CLIPS.empty_table(), frames / 25, 0.04, notes
        )

    film_of_parts = joined(
        [part("", FileReason.NO_FACE, 3), part("", None, 7), part("damaged", FileReason.TOO_SHORT, 11)]
    )
    outcome = film_of_parts.outcome
    assert (outcome.state, outcome.reason, outcome.error) == (FileState.MEASURED, None, "damaged")
    assert outcome.notes == ("21 pictures are interlaced", "sound")
    assert (film_of_parts.media_s, film_of_parts.dropped_s) == (21 / 25, 3 / 25)
    seen = joined([part("", FileReason.TOO_SHORT, 3), part("", FileReason.NO_FACE, 7)]).outcome
    assert (seen.state, seen.reason) == (FileState.REJECTED, FileReason.TOO_SHORT)


def work_here(
    lost: int | None, _client, work: partial, tasks: Iterator[Task], *_
) -> Iterator[tuple[Task, TaskResult | MediaRefusedError]]:
    """Do the tasks of an ingest in this process. lost: first frame of a segment whose worker is lost each time."""
    settings = work.keywords["settings"]
    for task in tasks:
        match task:
            case Identification():
                yield task, [fingerprint(Path(raw.uri)) for raw in task.files]
            case Cutting():
                yield task, cut_into_segments(task, settings)
            case FileJob() if task.segment.first == lost:
                yield task, MediaRefusedError(FileReason.WORKER_LOST)
            case FileJob():
                yield task, FileResult(task, analysed(task, settings, LENIENT), None)


@pytest.fixture
def ingest(monkeypatch) -> Callable[..., Workspace]:
    monkeypatch.setattr(schedule, "CUT_ABOVE_BYTES", 0)
    monkeypatch.setattr(schedule, "LEAST_SEGMENT_S", 4.0)
    workers = {"workers": {"here": {"nthreads": 2, "resources": {}}}}
    two_threads = SimpleNamespace(scheduler_info=lambda **_: workers, run=lambda work, **_: work())

    def run(folder: Path, settings, lost: int | None = None) -> Workspace:
        monkeypatch.setattr(driver, "spread", partial(work_here, lost))
        workspace = Workspace.open(settings.workspace)
        files = list(source_files(str(folder), "default"))
        driver.work_through(two_threads, workspace, files, settings, LENIENT, ProgressSink())
        return workspace

    return run


def on_disk(workspace: Workspace, table: str) -> list[str]:
    return sorted(path.name for path in Path(workspace.root, table).glob("*.parquet"))


def test_parts_of_a_cut_film_are_read_replaced_and_taken_down(tmp_path, settings, ingest):
    (films := tmp_path / "films").mkdir()
    path = film(films, "face")
    workspace = ingest(films, settings)
    clips = tables.read(workspace, "clips", ["clip_id", "media_id", "start_frame"]).to_pylist()
    assert {clip["start_frame"] < BORDER for clip in clips} == {True, False}
    stored = StoredClips(workspace, Stage.STAGE1, snapshot(workspace, "stage1").files)
    for row in tables.read(workspace, "stage1").to_pylist():
        speech = stored.speech(ClipSource(row["clip_id"], row["media_id"]))
        assert np.array_equal(speech.landmarks.ravel(), np.ravel(row["landmarks"]))
    before = {table: on_disk(workspace, table) for table in PAYLOAD}
    assert all(len(names) == 2 for names in before.values())

    again = settings.model_copy(update={"clips": settings.clips.model_copy(update={"crop_quality": 60})})
    ingest(films, again)
    for table in PAYLOAD:
        names = tables.file_names(workspace, table)
        assert len(names) == 2
        assert not set(names) & set(before[table])
        assert len(tables.read(workspace, table, ["clip_id"])) == len(clips)

    assign(workspace, settings.splits)
    plan = plan_takedown(workspace, None, find_scope(workspace, "file", path.name, True))
    take_down(workspace, settings, None, plan, "asked")
    assert [on_disk(workspace, table) for table in PAYLOAD] == [[], []]

    (copies := tmp_path / "copies").mkdir()
    path.rename(copies / path.name)
    damaged(copies / path.name, 70)
    ingest(copies, settings)
    assert len(tombstones.standing(workspace).media) == 2
    assert [on_disk(workspace, table) for table in PAYLOAD] == [[], []]


def test_film_of_which_a_segment_is_refused_leaves_no_parts(tmp_path, settings, ingest):
    (films := tmp_path / "films").mkdir()
    film(films, "face")
    workspace = ingest(films, settings, lost=BORDER)
    (row,) = tables.read(workspace, "catalog").to_pylist()
    assert row["reason"] == FileReason.WORKER_LOST
    assert [on_disk(workspace, table) for table in PAYLOAD] == [[], []]
