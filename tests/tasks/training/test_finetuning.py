"""Fine-tuning uses the losses of its translator, and chooses its best step on held-out frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import ClipRef, InMemoryClips, find_release, select
from heterodub.tasks.training.clip_store import ClipSource, HeldPictures, PictureClip, StoredClips
from heterodub.tasks.training.finetuning import begin_from, held_back
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage2 import translator_spec
from heterodub.tasks.training.validation import GAP
from tests.tasks.training.face_release import face_release
from tests.tasks.training.recorder import RecordingCallback

OWN = Stage2Settings(
    preset="tiny", schedule={"max_steps": 4, "eval_interval": 4}, losses={"perceptual": 0, "multiscale_l1": 3.0}
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return face_release(tmp_path_factory.mktemp("face_release") / "w", 2)


@pytest.fixture(scope="module")
def made(workspace, tmp_path_factory):
    """A translator, trained by settings of its own."""
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    spec = translator_spec(selection, OWN, WeightSettings())
    return run_training(spec, tmp_path_factory.mktemp("t") / "t", RecordingCallback())


def begun(made, **changes):
    return begin_from(made.model, Stage2Settings(preset="tiny", **changes), "a clip")


def test_finetuning_uses_the_losses_of_the_translator_card(made):
    now = {
        "losses": {"multiscale_l1": 7.0, "perception": "vgg19"},
        "augmentation": {"color_jitter": 0.5},
        "data": {"references": 9},
    }
    changed, finetuning = begun(made, **now)
    assert made.card.trained_by == finetuning.trained_by == OWN
    assert changed.losses == OWN.losses.model_copy(update={"disc_start_step": 0})
    assert changed.augmentation.color_jitter == OWN.augmentation.color_jitter
    assert changed.data.references == OWN.data.references


def test_finetuning_settings_override_the_card(made):
    changed, _ = begun(made, finetuning={"losses": {"multiscale_l1": 2.0}, "color_jitter": 0.0})
    assert (changed.losses.multiscale_l1, changed.losses.perceptual) == (2.0, OWN.losses.perceptual)
    assert changed.augmentation.color_jitter == 0
    with pytest.raises(ValidationError, match="pyramids"):
        begun(made, finetuning={"losses": {"pyramids": 1.0}})


@pytest.mark.parametrize(("frames", "learned", "held"), [(49, 49, 0), (50, 35, 10), (250, 195, 50)])
def test_end_of_a_clip_is_held_back_where_it_is_long_enough(frames, learned, held):
    (beginning,), judged = held_back([_candidate(frames)])
    assert (beginning.facts.frames, len(judged)) == (learned, bool(held))
    assert not held or frames - GAP - beginning.facts.frames == held


def test_best_step_is_chosen_on_held_out_frames(made, workspace, tmp_path):
    """At its end the clip has the opposite colours, unlike the beginning, so the held-out error must be
    large. A clip too short for a held-out end is validated once, after all steps.
    """
    whole = _with_another_end(workspace, 60, 45)
    changed, finetuning = begun(made, finetuning={"steps": 6, "eval_interval": 2})

    def tuned(frames):
        held, recorder = (
            InMemoryClips(HeldPictures({"a": whole}), *held_back([_candidate(frames)]), "r", "a backend"),
            RecordingCallback(),
        )
        spec = translator_spec(held, changed, WeightSettings(), finetuning=finetuning)
        return run_training(spec, tmp_path / str(frames), recorder), recorder

    (chosen, looks), (taken, single) = tuned(60), tuned(45)
    assert 8 <= chosen.card.held_frames <= 12
    assert looks.validated_at == [2, 4, 6]
    assert chosen.fitted.best_loss > 3 * taken.fitted.best_loss
    assert single.validated_at == [6]
    assert (taken.card.held_frames, taken.card.steps) == (0, 6)
    assert chosen.card.trained_by == taken.card.trained_by == OWN


def _candidate(frames: int) -> ClipRef:
    return ClipRef(ClipInfo("a", frames, "s"), ClipSource("a", "m"), "train", "a", False)


def _with_another_end(workspace, frames: int, turn: int) -> PictureClip:
    """A clip of the release over and over, from a frame on in the opposite colours."""
    release = find_release(workspace, None)
    place = select(workspace, release, Stage.STAGE2).train[0].place
    clip = StoredClips.of(workspace, release, Stage.STAGE2).pictures(place)
    order = np.resize(np.arange(len(clip.crops)), frames)
    crops = [clip.crops[row] for row in order]
    crops[turn:] = [_opposite(crop) for crop in crops[turn:]]
    return replace(
        clip, landmarks=clip.landmarks[order], tracked=clip.tracked[order], boxes=clip.boxes[order], crops=tuple(crops)
    )


def _opposite(crop: bytes) -> bytes:
    picture = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".png", 255 - picture)[1].tobytes()
