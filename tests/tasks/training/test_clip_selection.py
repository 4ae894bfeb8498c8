"""Selections: what cannot be trained on is refused before the first step, in words that say what to do."""

import shutil
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from heterodub.model.evaluation.clip_scores import ClipScores, by_speaker
from heterodub.model.evaluation.intervals import mean_interval
from heterodub.model.training.sampler import WindowSampler
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import DataSettings, Stage1Settings
from heterodub.schemas.contract import FEATURES_VERSION
from heterodub.schemas.errors import ModelFileError, NotFoundError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import folds, grouped, halves
from heterodub.tasks.evaluation.generator_scores import evaluate_generator
from heterodub.tasks.releases.benchmarks import freeze
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import candidates, few_a_speaker, find_release, select
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage1 import generator_spec
from tests.tasks.stores.sample_rows import clip_id
from tests.tasks.training.recorder import RecordingCallback
from tests.tasks.training.talkers import ORIGIN, add_media, publish, talkers


def test_selection_uses_the_splits_of_the_release(workspace):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    assert {clip.split for clip in result.train} == {"train"}
    assert {clip.facts.speaker for clip in result.val} == {"speaker 1", "speaker 5"}
    assert not {clip.facts.speaker for clip in result.train} & {clip.facts.speaker for clip in result.val}


def test_no_release_yet(tmp_path):
    with pytest.raises(NotFoundError, match="heterodub ingest"):
        find_release(Workspace.open(str(tmp_path / "new"), create=True), None)


def test_release_without_stage_1_clips(tmp_path):
    workspace = talkers(tmp_path / "w", speakers=2, clips=1, frames=30, stage1=False)
    with pytest.raises(TrainingError, match=r"no stage1 clip in its train split.*0 train, 0 val, 0 test"):
        select(workspace, find_release(workspace, None), Stage.STAGE1)


def test_release_without_val_speakers(tmp_path):
    workspace = talkers(tmp_path / "w", speakers=1, clips=1, frames=30)
    with pytest.raises(TrainingError, match="val split to validate on"):
        select(workspace, find_release(workspace, None), Stage.STAGE1)


def test_release_of_another_version_of_the_features(tmp_path):
    workspace = Workspace.open(str(tmp_path / "w"), create=True)
    add_media(workspace, 0, 1, 30)
    publish(workspace, replace(ORIGIN, extractor="0-face_mesh_v1-0badcafe"))
    with pytest.raises(TrainingError, match="extracted by version 0"):
        find_release(workspace, None)


def test_release_of_an_extractor_with_the_same_features(tmp_path):
    workspace = Workspace.open(str(tmp_path / "w"), create=True)
    add_media(workspace, 0, 1, 30)
    publish(workspace, replace(ORIGIN, extractor=f"{FEATURES_VERSION}.999-face_mesh_v1-0badcafe"))
    assert find_release(workspace, None).extractor.startswith(f"{FEATURES_VERSION}.999")


def test_version_that_was_erased(own_workspace):
    release = find_release(own_workspace, None)
    tables.delete_rows(
        own_workspace, "stage1", "media_id", [candidates(own_workspace, release, Stage.STAGE1)[0].place.media_id]
    )
    vacuum.erase(own_workspace, "stage1")
    with pytest.raises(NotFoundError, match=r"are gone.*another release"):
        select(own_workspace, release, Stage.STAGE1)


def test_model_of_another_landmark_backend(workspace, tmp_path):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    schedule = {"max_steps": 2, "eval_interval": 2, "save_interval": 2}
    made = run_training(
        generator_spec(result, Stage1Settings(preset="tiny", schedule=schedule)), tmp_path / "t", RecordingCallback()
    )
    other = replace(result, release=replace(result.release, backend="face_mesh_v2@1"))
    with pytest.raises(ModelFileError, match=r"face_mesh_v1.*face_mesh_v2"):
        evaluate_generator(Settings(workspace=workspace.root), other, result.val, made.model, "val", 1)


def test_every_speaker_is_scored_once_by_an_unseen_fold(workspace):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    judged = []
    for fold, held in folds(result, 2):
        met = {clip.facts.speaker for clip in (*fold.train, *fold.val)}
        own = {clip.facts.speaker for clip in held}
        assert not met & own
        assert not {clip.facts.speaker for clip in fold.train} & {clip.facts.speaker for clip in fold.val}
        judged += sorted(own)
    assert sorted(judged) == sorted(grouped((*result.train, *result.val)))


def test_fewer_training_speakers_keep_the_scored_ones(workspace):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    result = replace(result, train=tuple(replace(clip, group=clip.facts.clip_id) for clip in result.train))
    for (fold, held), (few, same) in zip(folds(result, 2), folds(result, 2, 1), strict=True):
        assert (few.val, same) == (fold.val, held)
        assert len(grouped(few.train)) == 1 < len(grouped(fold.train))
        assert set(few.train) < set(fold.train)


def test_test_speakers_are_in_no_fold(workspace):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    everyone = {clip.facts.speaker for fold, held in folds(result, 2) for clip in (*fold.train, *fold.val, *held)}
    assert not everyone & {"speaker 2", "speaker 6"}


@pytest.mark.parametrize("leak", ["moved", "renamed", "joined", "same file"])
def test_benchmark_speakers_are_excluded_from_training(tmp_path, leak):
    """However the tables come to say that a frozen speaker is to be trained on."""
    workspace = talkers(tmp_path / "w", speakers=6, clips=2, frames=30)
    before = select(workspace, find_release(workspace, None), Stage.STAGE1)
    frozen = freeze(workspace, find_release(workspace, None), Stage.STAGE1, "a test")
    held = [clip.clip_id for clip in frozen.clips]
    rows = tables.read(workspace, "clips", ["clip_id", "media_id", "speaker"]).to_pylist()
    match leak:
        case "moved":
            change, gone = {"clip_id": held, "split": ["train"] * len(held)}, set()
        case "renamed":
            change = {"clip_id": held, "split": ["train"] * len(held), "speaker": ["speaker 0"] * len(held)}
            gone = {row["clip_id"] for row in rows if row["speaker"] == "speaker 0"}  # the frozen one, it is said now
        case "joined":
            other = [row["clip_id"] for row in rows if row["speaker"] == "speaker 3"]
            change, gone = {"clip_id": other, "split_group": [frozen.clips[0].split_group] * len(other)}, set(other)
        case "same file":
            other = [row["clip_id"] for row in rows if row["speaker"] == "speaker 3"]
            change, gone = {"clip_id": other, "media_id": [frozen.clips[0].media_id] * len(other)}, set(other)
    tables.update_columns(workspace, "clips", pa.table(change))
    add_media(workspace, 7, 1, 30)  # without new clips there is no new release
    publish(workspace)
    after = select(workspace, find_release(workspace, None), Stage.STAGE1)
    seen = (*after.train, *after.val)
    assert not {clip.facts.clip_id for clip in seen} & set(held)
    expected = {clip.facts.clip_id for clip in (*before.train, *before.val)} | {clip_id(7)}
    assert {clip.facts.clip_id for clip in seen} == expected - gone


def test_too_few_speakers_for_folds(own_workspace):
    result = select(own_workspace, find_release(own_workspace, None), Stage.STAGE1)
    with pytest.raises(TrainingError, match="too few for 3 folds"):
        folds(result, 3)


def test_folds_without_training_speakers_are_refused(workspace):
    result = select(workspace, find_release(workspace, None), Stage.STAGE1)
    both = (*result.train, *result.val)
    four = tuple(replace(clip, group=f"group {number}") for number, clip in enumerate(both[:4]))
    with pytest.raises(TrainingError, match=r"of 4 groups of speakers 2 are held out .* take more folds"):
        folds(replace(result, train=four[:3], val=four[3:]), 2)


def test_halves_differ_by_stage_1_only_clips(workspace):
    half, more = halves(select(workspace, find_release(workspace, None), Stage.STAGE1))
    assert more.train[: len(half.train)] == half.train
    added = more.train[len(half.train) :]
    assert added
    assert not any(clip.both for clip in added)
    assert not {clip.facts.speaker for clip in added} & {clip.facts.speaker for clip in half.train}


def same_person(workspace: Workspace, *speakers: str) -> None:
    """State that these speakers are one person, whatever their splits, and publish."""
    rows = tables.read(workspace, "clips", ["clip_id", "speaker"]).to_pylist()
    chosen = [row["clip_id"] for row in rows if row["speaker"] in speakers]
    tables.update_columns(workspace, "clips", pa.table({"clip_id": chosen, "person": ["p"] * len(chosen)}))
    publish(workspace)


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> Workspace:
    return talkers(tmp_path_factory.mktemp("ten") / "w", speakers=10, clips=2, frames=20)


def test_person_of_two_names_counts_once_in_intervals_and_balance(ten, tmp_path):
    workspace = Workspace.open(str(shutil.copytree(ten.root, tmp_path / "w")))
    same_person(workspace, "speaker 3", "speaker 4")
    clips = select(workspace, find_release(workspace, None), Stage.STAGE1).train
    joined = [clip for clip in clips if clip.group in ("speaker 3", "speaker 4")]
    assert {clip.facts.speaker for clip in joined} == {"p"}
    scores = [ClipScores(clip.facts.clip_id, clip.facts.speaker, "model", {"error": 1.0}) for clip in joined]
    assert len(joined) == 4 and len(by_speaker(scores, "error")) == 1
    assert mean_interval(list(by_speaker(scores, "error").values())).low is None  # one speaker has no interval
    assert len(few_a_speaker(joined, 1)) == 1
    plan = WindowSampler([clip.facts for clip in clips], DataSettings(balance=1.0, window_frames=5, batch_size=8), 0)
    drawn = Counter(plan.clips[window.clip].speaker for number in range(60) for window in plan.batch(number))
    assert drawn["p"] / drawn.total() == pytest.approx(1 / 4, abs=0.02)  # of four people, and not of five


def test_person_of_two_groups_is_in_one_fold(ten, tmp_path):
    """As a person of train and val is who was found to be one only later."""
    workspace = Workspace.open(str(shutil.copytree(ten.root, tmp_path / "w")))
    same_person(workspace, "speaker 0", "speaker 1")
    release = find_release(workspace, None)
    result = select(workspace, release, Stage.STAGE1)
    assert {clip.split for clip in (*result.train, *result.val) if clip.facts.speaker == "p"} == {"train", "val"}
    for fold, held in folds(result, 2):
        assert not {clip.facts.speaker for clip in (*fold.train, *fold.val)} & {clip.facts.speaker for clip in held}
        assert not {clip.facts.speaker for clip in fold.train} & {clip.facts.speaker for clip in fold.val}
    groups = {clip.group for stage in Stage for clip in candidates(workspace, release, stage)}
    assert "speaker 0" in groups and "speaker 1" not in groups
