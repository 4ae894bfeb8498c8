"""Cross-validation over speakers: every speaker is scored with a model that was not trained on that speaker."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from schemas.errors import TrainingError
from tasks.training.clip_selection import ClipRef, Selection

_VAL_SHARE = 0.1
"""Share of a fold's training groups that become its val split (early stop, gain), those with least footage: a small
corpus is limited by speakers first, by footage second."""


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
    selection: Selection, held: Collection[str], speakers: int | None = None
) -> tuple[Selection, tuple[ClipRef, ...]]:
    """Split off the groups `held`: a selection of train and val clips of other groups, and the held groups' clips.

    speakers: see `folds`.

    Raises: TrainingError - none is left to train on.
    """
    groups = grouped((*selection.train, *selection.val))
    rest = [name for name in shuffled(groups) if name not in held]
    by_footage = sorted(rest, key=lambda name: sum(clip.facts.frames for clip in groups[name]))
    val = by_footage[: max(2, round(_VAL_SHARE * len(rest)))]
    taught = [name for name in rest if name not in val][:speakers]
    if not taught:
        raise TrainingError(
            f"of {len(groups)} groups of speakers {len(groups) - len(rest)} are held out and {len(val)} end"
            " the training, so there is none to train on; take more folds, or ingest more speakers"
        )
    train = tuple(clip for name in taught for clip in groups[name])
    looked_at = tuple(clip for name in val for clip in groups[name])
    judged = tuple(clip for name in shuffled(groups) if name in held for clip in groups[name])
    return replace(selection, train=train, val=looked_at), judged


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
