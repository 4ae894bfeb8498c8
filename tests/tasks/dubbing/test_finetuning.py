"""Fine-tuning within a dubbing: on the video's own first seconds, once, and only where there is something to tune."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from heterodub.model.dubbing.faces import Track
from heterodub.model.io import load_translator, save_model
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.cards import TranslatorCard
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.errors import DubbingError, WorkspaceError
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.dubbing.models import first_seconds
from heterodub.tasks.dubbing.segments import Face
from heterodub.tasks.lineage.weights import training_folders
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.run_dirs import dubbings


class Phases(ProgressSink):
    """Counts the messages of each phase."""

    def __init__(self):
        self.frames = {}

    def phase(self, name, total=None, done=0, share=None):
        self.name = name
        self.frames[name] = 0

    def advance(self, detail="", share=None):
        self.frames[self.name] += 1


@pytest.fixture(scope="module")
def place(settings, models, backend, tmp_path_factory):
    """Settings with a workspace, and models of which the translator was trained (or as good as)."""
    folder = tmp_path_factory.mktemp("finetuning")
    Workspace.open(str(folder / "w"), create=True)
    changed = {"preset": "tiny", "finetuning": {"steps": 3, "eval_interval": 3}, "losses": {"perceptual": 0}}
    made = type(settings).model_validate(settings.model_dump() | {"workspace": str(folder / "w"), "stage2": changed})
    torch.manual_seed(0)
    translator, discriminators = (
        LandmarkTranslator(made.stage2.architecture),
        Discriminators(made.stage2.discriminators, 2),
    )
    card = TranslatorCard(
        architecture=made.stage2.architecture,
        discriminators=made.stage2.discriminators,
        window_frames=2,
        backend=backend.name,
        release="r-none",
        seed=0,
        steps=0,
        perception=(),
    )
    save_model(folder / "model", translator, card, discriminators)
    names = (models.names[0], "landmark-translator of a test")
    return made, replace(models, translator=TranslatorInference(translator), names=names, folder=folder / "model")


def dubbed(place, head, speech, out, backend, seconds=0.5):
    phases = Phases()
    job = DubJob(video=str(head), speech=str(speech), out=str(out), finetune=seconds)
    return dub(job, place[1], backend, place[0], phases), phases.frames


def test_finetuning_runs_once_and_is_reported(place, head, speech, backend, tmp_path):
    result, frames = dubbed(place, head, speech, tmp_path / "one.mp4", backend)
    assert result.translator == "landmark-translator of a test, tuned on 0.5 s of this face"
    assert frames["fine-tune"] == 3
    (made,) = tunings(place)
    card = load_translator(made / "model")[1]
    assert (card.release, len(card.tuned_on)) == ("r-none", 1)
    ws, media = Workspace.open(place[0].workspace), fingerprint(Path(head))
    assert [(outcome.folder, outcome.is_known) for outcome in training_folders(ws, {media}, ())] == [(made, True)]
    assert training_folders(ws, {"of another video"}, ()) == ()
    again, frames = dubbed(place, head, speech, tmp_path / "two.mp4", backend)
    assert frames["fine-tune"] == 0
    assert again.translator == result.translator
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    _, frames = dubbed(place, head, speech, tmp_path / "three.mp4", backend, 0.6)
    assert frames["fine-tune"] == 3  # other pictures are learned from
    assert len(tunings(place)) == 2


def tunings(place):
    return list(dubbings(Workspace.open(place[0].workspace)).iterdir())


def test_finetuning_runs_in_the_sandbox(place, models, generator, head, speech, tmp_path):
    save_model(tmp_path / "generator", generator, models.card)
    job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"), finetune=0.7)
    before = len(tunings(place)) if dubbings(Workspace.open(place[0].workspace)).exists() else 0
    (outcome,) = dub_jobs([job], str(tmp_path / "generator"), str(place[1].folder), place[0], ProgressSink())
    assert outcome.error is None
    assert outcome.dubbed.translator.endswith("tuned on 0.7 s of this face")
    assert outcome.dubbed.out == job.out and Path(job.out).stat().st_size > 0
    assert len(tunings(place)) == before + 1


def test_impossible_finetuning_is_an_error(place, models, settings, head, speech, backend, tmp_path):
    out = tmp_path / "out.mp4"
    with pytest.raises(DubbingError, match="warp has nothing to tune"):
        dubbed((place[0], models), head, speech, out, backend)
    nowhere = settings.model_copy(update={"workspace": str(tmp_path / "none"), "stage2": place[0].stage2})
    with pytest.raises(WorkspaceError, match="none"):
        dubbed((nowhere, place[1]), head, speech, out, backend)
    assert not out.exists()
    with pytest.raises(ValidationError, match="leave one out"):
        DubJob(video="a", speech="b", out="c", finetune=2, appearance_from="d")


def test_finetuning_seconds_are_counted_over_frames_with_a_face():
    def face(first, strength):
        count = len(strength)
        points, seen = np.zeros((count, 216, 2), np.float32), np.ones(count, bool)
        track = Track(0, first, points, seen, ~seen, np.zeros(count, np.float32))
        return Face(track, (), ((0, 0, 8),) * count, np.array(strength, np.float32))

    followed = Followed(Fraction(1, 10), np.arange(30), 1, [])  # ten pictures a second
    faces = [face(5, [0, 1, 1, 0, 1]), face(15, [1] * 10)]
    result = first_seconds(faces, followed, 0.6)
    assert [one.references for one in result] == [(6, 7, 8, 9), (15, 16, 17)]
    assert first_seconds([face(5, [0, 0, 1])], followed, 9) == []
