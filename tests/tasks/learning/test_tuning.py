"""Fine-tuning learns by what its translator learned by, and is chosen by what it has not learned from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from model.training.plan import ClipFacts
from schemas.reasons import Stage
from schemas.settings import WeightSettings
from schemas.translation import Stage2Settings
from tasks.feeding.stored_clips import HeldPictures, PictureClip, Place, StoredClips
from tasks.learning.selection import Candidate, Held, find_release, select
from tasks.learning.sittings import GAP
from tasks.learning.stage2 import train_translator
from tasks.learning.tuning import begin_from, held_back
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.sitters import sitters

OWN = Stage2Settings(profile="tiny", pace={"steps": 4, "validate_every": 4}, losses={"perceptual": 0, "pyramid": 3.0})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return sitters(tmp_path_factory.mktemp("sitters") / "w", 2)


@pytest.fixture(scope="module")
def made(workspace, tmp_path_factory):
    """A translator, trained by settings of its own."""
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    return train_translator(selection, OWN, WeightSettings(), tmp_path_factory.mktemp("t") / "t", Recorder())


def begun(made, **changes):
    return begin_from(made.model, Stage2Settings(profile="tiny", **changes), "a clip")


def test_losses_and_augmentation_are_the_translator_s_own_whatever_the_workspace_says_by_now(made):
    now = {"losses": {"pyramid": 7.0, "perception": "vgg19"}, "augmentation": {"light": 0.5}, "feed": {"references": 9}}
    changed, tuning = begun(made, **now)
    assert made.card.trained_by == tuning.trained_by == OWN
    assert changed.losses == OWN.losses.model_copy(update={"critics_from": 0})
    assert changed.augmentation.light == OWN.augmentation.light
    assert changed.feed.references == OWN.feed.references


def test_what_fine_tuning_is_told_itself_overrules(made):
    changed, _ = begun(made, tuning={"losses": {"pyramid": 2.0}, "light": 0.0})
    assert (changed.losses.pyramid, changed.losses.perceptual) == (2.0, OWN.losses.perceptual)
    assert changed.augmentation.light == 0
    with pytest.raises(ValidationError, match="pyramids"):
        begun(made, tuning={"losses": {"pyramids": 1.0}})


@pytest.mark.parametrize(("frames", "learned", "held"), [(49, 49, 0), (50, 35, 10), (250, 195, 50)])
def test_the_end_of_a_clip_is_held_back_where_it_is_long_enough(frames, learned, held):
    (beginning,), judged = held_back([_candidate(frames)])
    assert (beginning.facts.frames, len(judged)) == (learned, bool(held))
    assert not held or frames - GAP - beginning.facts.frames == held


def test_the_best_step_is_chosen_by_frames_that_were_not_learned_from(made, workspace, tmp_path):
    """At its end the clip has the opposite colours, of which the beginning tells nothing, so what is chosen by must be
    far off. A clip that is too short to hold an end back is looked at once, after all steps.
    """
    whole = _with_another_end(workspace, 60, 45)
    changed, tuning = begun(made, tuning={"steps": 6, "validate_every": 2})

    def tuned(frames):
        held, told = Held(HeldPictures({"a": whole}), *held_back([_candidate(frames)]), "r", "a backend"), Recorder()
        return train_translator(held, changed, WeightSettings(), tmp_path / str(frames), told, tuning=tuning), told

    (chosen, looks), (taken, single) = tuned(60), tuned(45)
    assert 8 <= chosen.card.held_frames <= 12
    assert looks.validated_at == [2, 4, 6]
    assert chosen.fitted.best_loss > 3 * taken.fitted.best_loss
    assert single.validated_at == [6]
    assert (taken.card.held_frames, taken.card.steps) == (0, 6)
    assert chosen.card.trained_by == taken.card.trained_by == OWN


def _candidate(frames: int) -> Candidate:
    return Candidate(ClipFacts("a", frames, "s"), Place("a", "m"), "train", "a", False)


def _with_another_end(workspace, frames: int, turn: int) -> PictureClip:
    """A clip of the release over and over, from a frame on in the opposite colours."""
    release = find_release(workspace, None)
    place = select(workspace, release, Stage.STAGE2).train[0].place
    clip = StoredClips.of(workspace, Stage.STAGE2, release.versions["stage2"]).pictures(place)
    order = np.resize(np.arange(len(clip.crops)), frames)
    crops = [clip.crops[row] for row in order]
    crops[turn:] = [_opposite(crop) for crop in crops[turn:]]
    return replace(
        clip, landmarks=clip.landmarks[order], tracked=clip.tracked[order], boxes=clip.boxes[order], crops=tuple(crops)
    )


def _opposite(crop: bytes) -> bytes:
    picture = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".png", 255 - picture)[1].tobytes()
