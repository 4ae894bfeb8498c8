"""One file from bytes to rows: the same rows every time, and only the requested ones."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.contract import SENONES
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.reasons import FileReason, FileState, MissingCause
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CLIPS, STAGE1, STAGE2
from heterodub.tasks.ingestion.job import Admission, FileJob
from heterodub.tasks.quality.senones import SENONES_VERSION, unpack
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import write_head
from tests.tasks.faces.covered import passing, talker
from tests.tasks.ingestion.conftest import analysed, job_of, settings_in
from tests.tasks.media.media_files import regular, write_media

POLICY = load_policy()
LENIENT = Policy.model_validate({"name": "lenient", "version": 1, "stage1": {}, "stage2": {}})


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Path:
    """A short film of a face with sound, for what does not depend on who speaks."""
    return write_head(tmp_path_factory.mktemp("head") / "head.mp4", 7, 30)


@pytest.fixture(scope="module")
def known(head, tmp_path_factory):
    """Its result and the settings; read-only for the tests."""
    settings = settings_in(tmp_path_factory.mktemp("known"))
    return settings, analysed(job_of(head), settings, LENIENT)


def other_place(settings, name: str):
    place = str(Path(settings.workspace).parent / name)
    Workspace.open(place, create=True)
    return settings.model_copy(update={"workspace": place})


def part_bytes(settings, analysis, table: str) -> bytes:
    return (Path(settings.workspace) / table / analysis.parts[table].name).read_bytes()


def part_rows(settings, analysis, table: str):
    return pq.read_table(Path(settings.workspace) / table / analysis.parts[table].name)


def test_two_runs_give_the_same_rows_and_the_same_bytes(head, settings, known):
    before, first = known
    second = analysed(job_of(head), settings, LENIENT)
    assert first.clips.num_rows == 1
    assert first.clips.equals(second.clips)
    assert set(first.parts) == {"stage1", "stage2"}
    for table in first.parts:
        assert part_bytes(before, first, table) == part_bytes(settings, second, table)
        assert first.parts[table] == second.parts[table]


def test_rows_fit_the_tables_and_each_other(known):
    settings, result = known
    (clip,) = result.clips.to_pylist()
    assert result.clips.schema == CLIPS
    assert result.outcome.state is FileState.MEASURED
    assert clip["speaker"] == "file:x"
    assert (clip["stage1_reasons"] == []) is clip["stage1"]
    one, two = part_rows(settings, result, "stage1"), part_rows(settings, result, "stage2")
    assert one.schema.equals(STAGE1)
    assert two.schema.equals(STAGE2)
    frames = clip["frames"]
    (sound,), (picture,) = one.to_pylist(), two.to_pylist()
    assert sound["clip_id"] == picture["clip_id"] == clip["clip_id"]
    assert np.shape(sound["mel"]) == (4 * frames, 80)
    assert np.shape(sound["landmarks"]) == np.shape(picture["landmarks"]) == (frames, 432)
    assert len(picture["crops"]) == len(picture["crop_boxes"]) == len(sound["tracked"]) == frames
    assert len(clip["sound_hash"]) == 4 * frames
    assert len(clip["picture_hash"]) == 40
    assert len(clip["face_motion"]) == 4 * frames
    assert frames / 25 == pytest.approx(result.media_s, abs=0.2)


def test_clip_id_does_not_depend_on_path_or_labels(head, settings, known, tmp_path):
    _, first = known
    moved, here = tmp_path / "other name.bin", job_of(head)
    moved.write_bytes(head.read_bytes())
    elsewhere = FileJob(str(moved), here.media_id, here.size_bytes, "grid", "s1")
    second = analysed(elsewhere, other_place(settings, "elsewhere"), LENIENT)
    assert second.clips["clip_id"] == first.clips["clip_id"]
    assert second.clips["corpus"].to_pylist() == ["grid"]
    changed = settings.model_copy(update={"clips": settings.clips.model_copy(update={"crop_px": 128})})
    assert analysed(here, changed, LENIENT).clips["clip_id"] != first.clips["clip_id"]


@pytest.mark.parametrize(("one", "two"), [(True, False), (False, True), (True, True), (False, False)])
def test_later_admission_writes_payload_of_the_named_clips_only(head, settings, known, one, two):
    before, first = known
    (clip,) = first.clips.to_pylist()
    shift = part_rows(before, first, "stage1")["sound_shift_frames"].to_pylist()[0]
    admit = {clip["clip_id"]: Admission(one, two, shift), "0" * 24: Admission(True, True, 0)}
    second = analysed(job_of(head, admit=admit, suffix="later"), settings, LENIENT)
    assert set(second.parts) == {name for name, wanted in (("stage1", one), ("stage2", two)) if wanted}
    assert second.clips.num_rows == 0
    assert second.outcome.state is FileState.MEASURED
    for table in second.parts:
        assert part_bytes(settings, second, table) == part_bytes(before, first, table)
        assert "later" in second.parts[table].name


def test_senone_scores_are_stored_where_the_setting_is_on(head, known, tmp_path):
    (clip,) = known[1].clips["clip_id"].to_pylist()
    settings = settings_in(tmp_path).model_copy(update={"senones": True})
    result = analysed(job_of(head, admit={clip: Admission(True, False, 0)}), settings, LENIENT)
    (row,) = part_rows(settings, result, "stage1").to_pylist()
    assert unpack(row["senones"]).shape == (4 * row["frames"], SENONES)
    assert row["senones_version"] == SENONES_VERSION
    (without,) = part_rows(*known, "stage1").to_pylist()
    assert without["senones"] is without["senones_version"] is None


@pytest.fixture(scope="module")
def mels(head, known, tmp_path_factory) -> dict[int, np.ndarray]:
    """Stage 1's sound by the frames that it is read later."""
    (clip,), read = known[1].clips["clip_id"].to_pylist(), {}
    for frames in (0, 4, -3):
        place = settings_in(tmp_path_factory.mktemp("late"))
        result = analysed(job_of(head, admit={clip: Admission(True, False, frames)}), place, LENIENT)
        row = part_rows(place, result, "stage1").to_pylist()[0]
        assert row["sound_shift_frames"] == frames
        read[frames] = np.array(row["mel"])
    return read


@pytest.mark.parametrize("shift", [4, -3])
def test_late_sound_is_read_later_for_stage_1(mels, shift):
    moved, kept = (mels[shift], mels[0]) if shift > 0 else (mels[0], mels[shift])
    columns = 4 * abs(shift)
    inside = slice(4, len(kept) - columns - 4)  # a window reaches two columns over the ends
    np.testing.assert_allclose(moved[inside], kept[columns:][inside], atol=1e-4)
    assert not np.allclose(moved[inside], kept[inside], atol=0.5)


def test_silent_film_serves_stage_2_only_with_a_reason(job, settings):
    result = analysed(job("s07-silent.mp4"), settings, POLICY)
    (clip,) = result.clips.to_pylist()
    assert (clip["stage1"], clip["stage2"]) == (False, True)
    assert "no_sound" in clip["stage1_reasons"]
    assert set(result.parts) == {"stage2"}
    assert clip["sound_hash"] == b""
    missing = dict(clip["missing"])
    assert {name for name in SIGNAL_NAMES if clip[name] is None} == set(missing)
    assert missing["snr_db"] == MissingCause.NO_SOUND_STREAM


@pytest.mark.parametrize(("first", "stop", "admitted"), [(30, 36, True), (20, 50, False)])
def test_covered_mouth_frames_are_masked_or_refuse_the_clip(settings, tmp_path, first, stop, admitted):
    pictures = passing(talker("s01", 75), "s01", "hand", first, stop)
    path = write_media(tmp_path / "covered.mp4", regular(75), size=(320, 320), pictures=pictures)
    result = analysed(job_of(path), settings, POLICY)
    (clip,) = result.clips.to_pylist()
    hidden = round((1 - clip["mouth_visibility"]) * 75)
    assert stop - first <= hidden <= stop - first + 12
    assert (clip["face_share"], clip["mesh_score"] > 0.9) == (1.0, True)
    assert clip["stage2_reasons"] == ([] if admitted else ["mouth_covered"])
    assert ("mouth_covered" in clip["stage1_reasons"]) is not admitted
    if admitted:
        (row,) = part_rows(settings, result, "stage2").to_pylist()
        assert row["tracked"].count(False) == hidden
        assert not any(row["tracked"][first:stop])


@pytest.mark.parametrize(
    ("name", "reason"), [("holiday.mp4", FileReason.NO_FACE), ("s04-blink.mp4", FileReason.TOO_SHORT)]
)
def test_film_without_clips_is_rejected_with_its_reason(job, settings, name, reason):
    result = analysed(job(name), settings, POLICY)
    assert (result.outcome.state, result.outcome.reason) == (FileState.REJECTED, reason)
    assert result.clips.num_rows == 0
    assert result.parts == {}
    assert (result.dropped_s > 0) is (reason is FileReason.TOO_SHORT)
    assert result.facts.video_codec == "h264"


def test_non_video_is_refused(job, settings):
    with pytest.raises(MediaRefusedError) as error:
        analysed(job("notes.mp4"), settings, POLICY)
    assert error.value.reason is FileReason.NOT_MEDIA


def test_temporary_folder_is_empty_afterwards(head, job, settings, tmp_path, monkeypatch):
    (scratch := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    analysed(job_of(head), settings, LENIENT)
    with pytest.raises(MediaRefusedError):
        analysed(job("notes.mp4"), settings, POLICY)
    assert list(scratch.iterdir()) == []
    assert list((Path(settings.workspace) / "scratch").glob("*")) == []


def refusal_of(job, settings) -> FileReason:
    with pytest.raises(MediaRefusedError) as caught:
        analysed(job, settings, POLICY)
    return caught.value.reason


def test_analyse_refuses_bytes_that_are_not_those_identified(media, settings, tmp_path):
    """Such as a file that was overwritten with taken-down footage."""
    job = job_of(Path(shutil.copy(media / "holiday.mp4", tmp_path)))
    shutil.copy(media / "s01-clean.mp4", job.uri)
    assert refusal_of(job, settings) is FileReason.CHANGED


@pytest.mark.parametrize("change", ["append", "replace", "rewrite and set the time back"])
def test_analyse_refuses_a_file_written_to_while_it_is_decoded(media, settings, tmp_path, monkeypatch, change):
    job = job_of(path := Path(shutil.copy(media / "holiday.mp4", tmp_path)))
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns

    def meddle(news):
        if news is None:
            return
        if change == "append":
            path.write_bytes(path.read_bytes() + b"more")
        elif change == "replace":
            shutil.copy(path, tmp_path / "other.mp4")
            (tmp_path / "other.mp4").replace(path)
        else:
            path.write_bytes(path.read_bytes())
            os.utime(path, ns=times)

    monkeypatch.setattr("heterodub.tasks.ingestion.process_file.announce", meddle)
    assert refusal_of(job, settings) is FileReason.CHANGED


@pytest.mark.timeout(30)
def test_fingerprint_does_not_wait_on_a_pipe(tmp_path, settings):
    os.mkfifo(tmp_path / "pipe.mp4")
    job = FileJob(str(tmp_path / "pipe.mp4"), "0" * 64, 1, "default", "file:x")
    assert refusal_of(job, settings) is FileReason.NOT_A_REGULAR_FILE
