"""One job on a worker: what is the file's fault is in the result, what is the run's is raised."""

import pytest

from schemas.errors import WeightsMissingError, WorkspaceError
from schemas.policy import load_policy
from schemas.reasons import FileReason, FileState
from schemas.records import RawFile
from tasks.extract.analyse import media_seconds
from tasks.extract.worker import identify, work_on

POLICY = load_policy()


def test_a_film_is_finished(job, settings):
    done = work_on(job("holiday.mp4"), settings, POLICY)
    assert done.refusal is None
    assert (done.analysis.outcome.state, done.analysis.outcome.reason) == (FileState.REJECTED, FileReason.NO_FACE)


def test_what_is_wrong_with_the_file_is_in_the_result(job, settings):
    done = work_on(job("notes.mp4"), settings, POLICY)
    assert done.analysis is None
    assert done.refusal.reason is FileReason.NOT_MEDIA


def test_what_is_wrong_with_the_run_is_raised(job, settings, tmp_path):
    with pytest.raises(WeightsMissingError):
        work_on(job("holiday.mp4"), settings.model_copy(update={"backend": "face_mesh_v2"}), POLICY)
    with pytest.raises(WorkspaceError):
        work_on(job("holiday.mp4"), settings.model_copy(update={"workspace": str(tmp_path / "none")}), POLICY)


def test_the_header_says_how_long_a_film_is(job, settings):
    assert media_seconds(job("holiday.mp4").uri, settings) == pytest.approx(5.48, abs=0.1)


def test_a_file_is_known_by_its_bytes(job, media, settings):
    own, copy = (
        identify(RawFile(str(media / name), 1, "1"), settings) for name in ("ada-clean.mp4", "copy of ada.mp4")
    )
    assert own == copy == job("ada-clean.mp4").media_id
    assert identify(RawFile(str(media / "gone.mp4"), 1, "1"), settings).reason is FileReason.VANISHED
