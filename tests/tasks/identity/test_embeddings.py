"""Embeddings of clips as an ingest measures them: of whom, of which speech, and why there is none."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from heterodub.schemas.config.identity import IdentitySettings
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import MissingCause
from heterodub.schemas.tables import EMBEDDINGS
from heterodub.tasks.identity import embeddings, face_network, voice_embedding, weights
from heterodub.tasks.identity.embeddings import embed_clip, missing_recognisers
from heterodub.tasks.ingestion.job import require_own
from tests.flows.heads import write_head
from tests.tasks.ingestion.conftest import analysed, job_of, settings_in
from tests.tasks.quality.conftest import speeches  # noqa: F401 - a fixture

CORPORA = os.environ.get("HETERODUB_CORPORA")
PAIRS = (
    *("grid_s30_av1.mpg", "grid_s30_av5.mpg", "hdtf_bob_menendez_004.webm", "hdtf_wda_bob_menendez.mp4"),
    *("grid_s2_pwij3p.mpg", "grid_s2_swwp2s.mpg"),
)
ANY = Policy.model_validate({"name": "any", "version": 1, "stage1": {}, "stage2": {}})


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write_head(tmp_path_factory.mktemp("film") / "head.mp4", 7, 30)


@pytest.fixture
def uninstalled(monkeypatch):
    """The recognisers' packages cannot be found, as without the extra."""
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    for opened in (face_network.open_face_network, voice_embedding.open_voice_encoder):
        opened.cache_clear()
    yield
    for opened in (face_network.open_face_network, voice_embedding.open_voice_encoder):
        opened.cache_clear()


def test_each_clip_has_a_row(film, tmp_path):
    result = analysed(job_of(film), settings_in(tmp_path), ANY)
    (clip,), (row,) = result.clips.to_pylist(), result.embeddings.to_pylist()
    assert result.embeddings.schema == EMBEDDINGS
    assert [row[name] for name in ("clip_id", "media_id", "frames", "backend")] == [
        clip[name] for name in ("clip_id", "media_id", "frames", "backend")
    ]
    assert len(row["face"]) == 128 and row["face_version"] == "dlib-resnet-v1"
    assert len(row["face_frames"]) == 3 and row["face_frames"] == sorted(row["face_frames"])
    assert row["voice"] is row["voice_version"] is None
    assert row["missing"] == [("voice", dict(clip["missing"])["av_sync_score"])]
    assert result.embeddings.equals(analysed(job_of(film), settings_in(tmp_path / "again"), ANY).embeddings)
    with pytest.raises(ValueError, match="embeddings of another media_id"):
        require_own(replace(result, clips=result.clips.slice(0, 0)), replace(job_of(film), media_id="other"))


def test_nothing_is_measured_where_it_is_switched_off(film, tmp_path):
    settings = settings_in(tmp_path).model_copy(update={"identity": IdentitySettings(embeddings=False)})
    (row,) = analysed(job_of(film), settings, ANY).embeddings.to_pylist()
    assert row["face"] is row["face_frames"] is row["voice"] is None and row["voice_s"] == 0
    assert row["missing"] == [("face", "switched_off"), ("voice", "switched_off")]


def test_clips_are_measured_without_the_extra(film, tmp_path, uninstalled):
    result = analysed(job_of(film), settings_in(tmp_path), ANY)
    assert result.clips["stage2"].to_pylist() == [True]
    (row,) = result.embeddings.to_pylist()
    assert row["face"] is row["voice"] is None
    assert row["missing"] == [("face", "not_installed"), ("voice", "not_installed")]
    assert missing_recognisers() == ["face", "voice"]


def test_voice_is_of_own_speech_alone(speeches):  # noqa: F811
    speech = np.concatenate([speeches[0], np.zeros(16_000, np.float32)])
    own = embed_clip([], 100, speech, 4.0, None)
    assert own.voice.shape == (256,) and own.voice_s == pytest.approx(3.2, abs=0.04)
    assert own.missing == {"face": MissingCause.NO_GOOD_FRAME}
    for samples, score, cause, expected in (
        (speech, 3.4, None, MissingCause.NOT_OWN_SPEECH),
        (speech, None, MissingCause.MOUTH_STILL, MissingCause.MOUTH_STILL),
        (None, None, MissingCause.NO_SOUND_STREAM, MissingCause.NO_SOUND_STREAM),
        (speech[:16_000], 4.0, None, MissingCause.TOO_LITTLE_SPEECH),
    ):
        result = embed_clip([], 100, samples, score, cause)
        assert result.voice is None and result.voice_s == 0 and result.missing["voice"] is expected


def test_pauses_are_left_out(speeches):  # noqa: F811
    gap = np.zeros(8_000, np.float32)
    halves = np.split(speeches[0][: len(speeches[0]) // 2 * 2], 2)
    without, with_pause = (embeddings._speech(np.concatenate(one)) for one in (halves, (halves[0], gap, halves[1])))
    assert len(with_pause) == len(without)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPORA, reason="no real media here: set HETERODUB_CORPORA to the folder of the test corpus")
def test_people_of_real_films_are_told_apart(tmp_path):
    """Two films each of three people: every film's nearest other film is of the same person."""
    rows = []
    for number, name in enumerate(PAIRS):
        result = analysed(job_of(Path(CORPORA, "media", name)), settings_in(tmp_path / str(number)), ANY)
        rows.append(result.embeddings.to_pylist()[0])
    distances = squareform(pdist([row["face"] for row in rows])) + 9 * np.eye(len(rows))
    assert [int(near) for near in distances.argmin(axis=1)] == [number ^ 1 for number in range(len(rows))]
    assert distances.min() < 0.45
