"""Held-out speakers are in no training of either stage, and the half of the speakers is the same for both."""

import pytest

from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.reproduction.footage import held_out, scenes
from tests.tasks.training.face_release import face_release
from tests.tasks.training.speakers import speakers


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return speakers(tmp_path_factory.mktemp("speakers") / "w", 7)


def people(clips) -> set[str]:
    return {clip.facts.speaker for clip in clips}


@pytest.mark.parametrize(("folds", "fold"), [(None, 1), (3, 1), (3, 2)])
def test_scored_speakers_are_in_no_training(workspace, folds, fold):
    footage = held_out(workspace, None, folds, fold)
    judged = people(footage.test_clips)
    assert judged
    for stage in Stage:
        chosen = footage.selection(stage)
        assert chosen.train
        assert not judged & people((*chosen.train, *chosen.val))


def test_folds_score_every_speaker_outside_the_test_split_once(workspace):
    judged = [people(held_out(workspace, None, 3, fold).test_clips) for fold in (1, 2, 3)]
    assert sum(map(len, judged)) == len(set.union(*judged)) == 5

    assert not set.union(*judged) & people(held_out(workspace, None, None, 1).test_clips)


def test_half_split_is_the_same_for_both_stages(workspace):
    footage = held_out(workspace, None, None, 1)
    half = footage.half()
    taught = [people(half.selection(stage).train) for stage in Stage]
    assert taught[0] == taught[1] < people(footage.speech.train)
    assert half.test_clips == footage.test_clips
    assert half.speech.val == footage.speech.val
    assert half.size_text(Stage.STAGE1) == "2 clips, 3 s, 2 speakers"


def test_scenes_have_pictures_and_sound(workspace):
    footage = held_out(workspace, None, None, 1)
    result = scenes(footage, 64)
    assert {scene.eval_window.clip.speaker for scene in result} == people(footage.test_clips)
    assert result[0].mel_SM.shape == (4 * 36, 80 + 126)  # senone scores behind the mel, as they are stored
    assert not result[0].eval_window.scored.all()


def test_impossible_folds_are_refused(workspace, tmp_path):
    with pytest.raises(TrainingError, match="no fold 3; folds are 1 to 2"):
        held_out(workspace, None, 2, 3)
    with pytest.raises(TrainingError, match="no stage1 clip"):
        held_out(face_release(tmp_path / "pictures only"), None, None, 1)
