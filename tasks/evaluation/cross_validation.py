"""Cross-validation over speakers, and data ablation (Table 3 of the paper), of either stage.

Every speaker is scored with a model that was not trained on that speaker. The trials train and evaluate a model of
either stage.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from heterodub.model.evaluation.clip_scores import of_system
from heterodub.model.evaluation.intervals import Interval
from heterodub.model.training.callbacks import Callback
from heterodub.schemas.config.sections import Section
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation, merged
from heterodub.tasks.evaluation.generator_scores import evaluate_generator
from heterodub.tasks.evaluation.translator_scores import evaluate_translator
from heterodub.tasks.training.clip_selection import ClipRef, Selection
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.run_dirs import training_folder
from heterodub.tasks.training.stage1 import generator_spec
from heterodub.tasks.training.stage2 import translator_spec

Trial = Callable[[Selection, Sequence[ClipRef], str], Evaluation]
"""Trains on a selection and evaluates on other clips; the text names the part."""

_VAL_SHARE = 0.1
"""Share of a fold's training groups that become its val split (early stop, gain), those with least footage: a small
corpus is limited by speakers first, by footage second."""


def cross_validate(
    selection: Selection, count: int, trial: Trial, speakers: int | None = None, only: int | None = None
) -> Evaluation:
    """Train a model for each fold and evaluate it on the fold's speakers; returns the scores of all folds.

    speakers: see `folds`. only: number of a single fold to run, from 1.

    Raises: as folds and the trial. TrainingError also for a fold out of range.
    """
    if only is not None and not 1 <= only <= count:
        raise TrainingError(f"there is no fold {only}; folds are 1 to {count}")
    parts = [
        trial(fold, test_clips, f"fold {number} of {count}")
        for number, (fold, test_clips) in enumerate(folds(selection, count, speakers), 1)
        if only in (None, number)
    ]
    few = "" if speakers is None else f", {speakers} at most to train on"
    return parts[0] if only is not None else merged(parts, f"{count} folds over speakers{few}")


@dataclass(frozen=True, slots=True)
class DataAblation:
    """Half of the speakers against the same half and more footage for this stage alone, on the same unseen speakers."""

    half: Evaluation
    more: Evaluation
    half_clips: int
    added_clips: int
    added_speakers: int

    @property
    def gains(self) -> dict[str, Interval]:
        """Return the reduction of each error by the added footage, as a share of the half's; paired by speaker."""
        spec = self.half.spec
        after, before = (of_system(part.rows, spec.model) for part in (self.more, self.half))
        return {score: spec.improvement(after, before, score) for score in spec.errors}

    def summary(self) -> dict[str, Any]:
        """Return both evaluations and the gains, ready for JSON."""
        sizes = {name: getattr(self, name) for name in ("half_clips", "added_clips", "added_speakers")}
        gains = {score: asdict(interval) for score, interval in self.gains.items()}
        return sizes | {"gains": gains, "half": self.half.summary(), "more": self.more.summary()}


def ablate_data(selection: Selection, count: int, trial: Trial) -> DataAblation:
    """Train twice a fold: on half of its training speakers, and with the other half's clips for this stage alone added.

    Raises: as folds, halves and the trial.
    """
    parts: dict[str, list[Evaluation]] = {"half": [], "half and more": []}
    added: list[ClipRef] = []
    sizes = 0
    for number, (fold, test_clips) in enumerate(folds(selection, count), 1):
        half, more = halves(fold)
        for part, (name, evaluations) in zip((half, more), parts.items(), strict=True):
            evaluations.append(trial(part, test_clips, f"{name}, fold {number} of {count}"))
        sizes += len(half.train)
        added += more.train[len(half.train) :]
    return DataAblation(
        merged(parts["half"], f"half of the speakers, {count} folds"),
        merged(parts["half and more"], f"half of the speakers and more footage for this stage alone, {count} folds"),
        sizes,
        len(added),
        len({clip.facts.speaker for clip in added}),
    )


def folds(selection: Selection, count: int, speakers: int | None = None) -> list[tuple[Selection, tuple[ClipRef, ...]]]:
    """Return for each fold a training selection and the clips to evaluate on; of train and val speakers, never test.

    Groups of speakers (joined by near-copies) go whole, in the order of a hash, to the fold with fewest groups. With
    `speakers`, at most so many groups of a fold are trained on, the first by the hash: a point of a learning curve.

    Raises: TrainingError - there are fewer groups of speakers than folds need, or a fold leaves none to train on.
    """
    names = shuffled({clip.group for clip in (*selection.train, *selection.val)})
    if len(names) < count + 2:
        raise TrainingError(
            f"{len(names)} groups of speakers are too few for {count} folds; take fewer, or ingest more"
        )
    return [without(selection, set(names[number::count]), speakers) for number in range(count)]


def without(
    selection: Selection, held_groups: Collection[str], speakers: int | None = None
) -> tuple[Selection, tuple[ClipRef, ...]]:
    """Split off `held_groups`: a selection of train and val clips of other groups, and the held groups' clips.

    speakers: see `folds`.

    Raises: TrainingError - none is left to train on.
    """
    groups = grouped((*selection.train, *selection.val))
    remaining = [name for name in shuffled(groups) if name not in held_groups]
    by_footage = sorted(remaining, key=lambda name: sum(clip.facts.frames for clip in groups[name]))
    val = by_footage[: max(2, round(_VAL_SHARE * len(remaining)))]
    train_groups = [name for name in remaining if name not in val][:speakers]
    if not train_groups:
        raise TrainingError(
            f"of {len(groups)} groups of speakers {len(groups) - len(remaining)} are held out and {len(val)} end"
            " the training, so there is none to train on; take more folds, or ingest more speakers"
        )
    train = tuple(clip for name in train_groups for clip in groups[name])
    looked_at = tuple(clip for name in val for clip in groups[name])
    test_clips = tuple(clip for name in shuffled(groups) if name in held_groups for clip in groups[name])
    return replace(selection, train=train, val=looked_at), test_clips


def halves(selection: Selection) -> tuple[Selection, Selection]:
    """Return the two training sets of the paper's data ablation: half of the training speakers, and the same plus the
    other half's clips that are good for this stage alone.

    Raises: TrainingError - the other half has no such clip.
    """
    groups = grouped(selection.train)
    names = shuffled(groups)
    half = tuple(clip for name in names[::2] for clip in groups[name])
    added = tuple(clip for name in names[1::2] for clip in groups[name] if not clip.both)
    if not added:
        raise TrainingError(
            "the other half of the speakers has no clip that is good for this stage alone: nothing to add"
        )
    return replace(selection, train=half), replace(selection, train=(*half, *added))


def grouped(clips: Sequence[ClipRef]) -> dict[str, list[ClipRef]]:
    """Group clips by group of speakers."""
    groups: dict[str, list[ClipRef]] = defaultdict(list)
    for clip in clips:
        groups[clip.group].append(clip)
    return groups


def shuffled(groups: Iterable[str]) -> list[str]:
    """Sort groups into a pseudo-random but fixed order: by a hash of their names."""
    return sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


Evaluate = Callable[[Settings, Selection, Sequence[ClipRef], Path, str, int], Evaluation]

EVALUATE: Final[Mapping[Stage, Evaluate]] = {Stage.STAGE1: evaluate_generator, Stage.STAGE2: evaluate_translator}
"""Evaluations of a model in a folder, by stage."""


def train_model(selection: Selection, section: Section, settings: Settings, folder: Path, callback: Callback) -> Path:
    """Train a stage's model, or resume its training, and return its folder. section: the settings of the stage.

    Raises: as run_training.
    """
    if isinstance(section, Stage1Settings):
        return run_training(generator_spec(selection, section), folder, callback, device=settings.device).model
    assert isinstance(section, Stage2Settings)
    spec = translator_spec(selection, section, settings.weights)
    return run_training(spec, folder, callback, device=settings.device).model


def trial_of(stage: Stage, settings: Settings, references: int, callback: Callback) -> Trial:
    """Return the trial of a stage; finished trainings with the same clips and settings are reused.

    It raises: as train_model and the stage's evaluation.
    """
    section = settings.stage1 if stage is Stage.STAGE1 else settings.stage2

    def trial(selection: Selection, test_clips: Sequence[ClipRef], name: str) -> Evaluation:
        folder = training_folder(selection, section, stage.value)
        model = train_model(selection, section, settings, folder, callback)
        return EVALUATE[stage](settings, selection, test_clips, model, name, references)

    return trial
