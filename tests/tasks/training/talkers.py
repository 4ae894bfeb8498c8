"""A workspace with a published release of made talkers (tests/model/talking.py), as an ingest would leave it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from heterodub.model.stage1.features import scale_mel
from heterodub.schemas.contract import EXTRACTOR_VERSION, SENONES
from heterodub.tasks.quality.senones import SENONES_VERSION, pack
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch
from heterodub.tasks.stores.workspace import Workspace
from tests.commons import Commons
from tests.model.talking import talk
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import write_part

EXTRACTOR = f"{EXTRACTOR_VERSION}-face_mesh_v1-0badcafe"
ORIGIN = releases.ReleaseProvenance(sample.BACKEND, EXTRACTOR, "0123456789ab", "ba9876543210", "0.1.0")


def split_of(speaker: int) -> str:
    return {1: "val", 2: "test"}.get(speaker % 4, "train")


def talkers(folder: Path, speakers: int = 8, clips: int = 2, frames: int = 60, **clip_changes: Any) -> Workspace:
    """Speakers 1, 5, ... are val, 2, 6, ... are test; every third clip is good for stage 1 alone."""
    workspace = Workspace.open(str(folder), create=True)
    commit([_media(workspace, speaker, clips, frames, **clip_changes) for speaker in range(speakers)], workspace)
    publish(workspace)
    return workspace


def crowd(commons: Commons) -> Path:
    """32 speakers, eight of them in the test split, with two clips each. All tests share it: copy it to change it."""
    return commons.made_once("crowd", partial(talkers, speakers=32, clips=2, frames=40))


def publish(workspace: Workspace, origin: releases.ReleaseProvenance = ORIGIN) -> releases.Release:
    return releases.publish(workspace, releases.current_versions(workspace), origin, {"passed": True}).release


def commit(batches: Sequence[FileBatch], workspace: Workspace) -> None:
    """Store all at once: a commit of each table, and not one for each batch, takes most of the time."""
    whole = FileBatch(
        frozenset().union(*(batch.media for batch in batches)),
        pa.concat_tables([batch.catalog for batch in batches]),
        pa.concat_tables([batch.clips for batch in batches]),
        [part for batch in batches for part in batch.stage1],
        [part for batch in batches for part in batch.stage2],
    )
    commit_batch(workspace, whole, KnownMedia(workspace))


def add_media(workspace: Workspace, speaker: int, clips: int, frames: int, **changes: Any) -> None:
    """Another speaker's clips, as a later ingest brings them."""
    commit([_media(workspace, speaker, clips, frames, **changes)], workspace)


def _media(workspace: Workspace, speaker: int, clips: int, frames: int, **changes: Any) -> FileBatch:
    media, rows, payload = sample.media_id(speaker), [], []
    for number in range(clips):
        landmarks, tracked, mel = talk(frames, seed=100 * speaker + number)
        tracked[3:6] = False
        payload.append(stored_row(speaker, number, landmarks, tracked, mel))
        both = (speaker + number) % 3 > 0
        row = sample.clip_row(speaker, number, frames=frames, stage2=both, split=split_of(speaker), extractor=EXTRACTOR)
        rows.append(row | {"speaker": f"speaker {speaker}", "split_group": f"speaker {speaker}"} | changes)
    part = write_part(workspace, "stage1", media, EXTRACTOR, sample.stage1(*payload))
    catalog = sample.catalog(sample.catalog_row(speaker, clips=clips, extractor=EXTRACTOR))
    return FileBatch(frozenset({media}), catalog, sample.clips(*rows), [part] if part else [], [])


def stored_row(
    speaker: int, number: int, landmarks: np.ndarray, tracked: np.ndarray, mel: np.ndarray
) -> dict[str, Any]:
    """A row with lips and mel; the loudness of the mel stands for the senone scores."""
    frames = len(landmarks)
    scores = np.repeat(scale_mel(mel[:, 10:11]).clip(-1, 1), SENONES, axis=1)
    row = sample.stage1_row(speaker, number, frames)
    row |= {"landmarks": landmarks.reshape(frames, -1).tolist(), "tracked": tracked.tolist(), "mel": mel.tolist()}
    return row | {"senones": pack(scores), "senones_version": SENONES_VERSION}


def damage(workspace: Workspace, speaker: int, frames: int, value: float) -> None:
    """Put a value that is no number into a speaker's stored mel, as a broken writer with other settings would, and
    publish it: payload alone makes no other release.
    """
    landmarks, tracked, mel = talk(frames, seed=100 * speaker)
    mel[5, 7] = value
    rows = sample.stage1(stored_row(speaker, 0, landmarks, tracked, mel))
    tables.replace_rows(workspace, "stage1", rows, "clip_id")
    publish(workspace, replace(ORIGIN, settings="cba987654321"))


def forget_scores(workspace: Workspace, speaker: int) -> releases.Release:
    """Take the senone scores from a speaker's first clip, as an ingest without the setting leaves it, and publish."""
    lost = {"senones": pa.nulls(1, pa.binary()), "senones_version": pa.nulls(1, pa.string())}
    tables.update_columns(workspace, "stage1", pa.table({"clip_id": [sample.clip_id(speaker, 0)], **lost}))
    return publish(workspace, replace(ORIGIN, settings="dba987654321"))
