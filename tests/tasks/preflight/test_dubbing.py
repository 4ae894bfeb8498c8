"""Dubbings of which none can be made are refused with all that is wrong; where some can, the others are named."""

import pytest

from heterodub.schemas.cards import CARD
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.preflight.dubbing import check_dub
from tests.flows.heads import voice
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import regular, write_media


@pytest.fixture
def jobs(tmp_path):
    """One that can be done, one whose speech is missing."""
    video = write_media(tmp_path / "film.mp4", regular(4))
    speech = write_wav(tmp_path / "speech.wav", voice(1, 0.3).samples)
    (tmp_path / CARD).write_text("{}")
    names = ((speech, "a.mp4"), (tmp_path / "none.wav", "b.mp4"))
    return [DubJob(video=str(video), speech=str(given), out=str(tmp_path / out)) for given, out in names]


def test_impossible_jobs_are_named_and_the_rest_runs(jobs, tmp_path):
    (place,) = faults = check_dub(jobs, str(tmp_path), "warp", Settings())
    assert (place, "none.wav: there is no such file" in faults[place]) == (1, True)


def test_missing_models_are_named_with_all_other_mistakes(jobs, tmp_path):
    with pytest.raises(DubbingError, match=r"no workspace at /nowhere"):
        check_dub(jobs, str(tmp_path), "@champion", Settings(workspace="/nowhere"))
    with pytest.raises(
        DubbingError, match=r"some/folder holds no landmark-generator.*none\.wav: there is no such file"
    ):
        check_dub(jobs, "some/folder", "warp", Settings(workspace="/nowhere"))


def test_no_valid_job_starts_nothing(jobs, tmp_path):
    with pytest.raises(DubbingError, match=r"none\.wav"):
        check_dub(jobs[1:], str(tmp_path), "warp", Settings())
