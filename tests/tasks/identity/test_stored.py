"""Stored embeddings in counts and notes."""

from dataclasses import replace

from heterodub.tasks.identity.stored import count_embeddings, describe_embeddings, notes
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.batches import KnownMedia, commit_batch
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, filled_workspace, new_workspace

_NO_FACE = {"face": None, "face_frames": None, "face_version": None}


def _add(ws, media: int, **changes) -> None:
    rows = sample.embeddings(sample.embedding_row(media, **changes)) if changes else sample.embeddings()
    commit_batch(ws, replace(batch_of(ws, media, clips=1), embeddings=rows), KnownMedia(ws))


def test_causes_that_are_not_the_clips_own_are_noted(tmp_path):
    ws = filled_workspace(tmp_path, range(1))
    assert notes(count_embeddings(ws)) == []
    _add(ws, 1, missing=[("face", "not_installed"), ("voice", "not_installed")], **_NO_FACE)
    _add(ws, 2, missing=[("face", "no_good_frame"), ("voice", "switched_off")], **_NO_FACE)
    _add(ws, 3)
    counts = count_embeddings(ws)
    assert (counts.clips, counts.measured, counts.stored, dict(counts.held)) == (5, 4, 2, {"face": 2, "voice": 0})
    extra, off, older = notes(counts)
    assert extra.startswith(
        "no face embedding of 1 clip and no voice embedding of 1 clip: the extra `identity` was not"
    )
    assert off.startswith("no voice embedding of 1 clip: the setting `embeddings` of [identity] was off")
    assert all(one.endswith("divided by stated speaker and file") for one in (extra, off))
    assert older.startswith("1 clip older than embeddings")


def test_clip_without_a_row_has_no_words(tmp_path):
    ws = filled_workspace(tmp_path, range(1))
    words = describe_embeddings(ws, [sample.clip_id(0), "nowhere"])
    assert words == {
        sample.clip_id(0): ("face embedding from frames 5, 15, 25 (f)", "no voice embedding: no_sound_stream")
    }


def test_nothing_is_made_by_counting(tmp_path):
    ws = new_workspace(tmp_path)
    assert count_embeddings(ws).clips == 0 and tables.size(ws, "embeddings").version is None
