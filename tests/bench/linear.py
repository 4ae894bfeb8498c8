"""Ridge regressions from speech to lips on unseen speakers: from the mel, and from senone scores behind it.

`python -m tests.bench.linear WORKSPACE`. Folds over speakers as in `evaluate stage1 --folds 5`; each row's map is
fitted to a fold's training speakers, its strength chosen among them, and tried on those held out, who weigh the same.
The workspace has to be ingested with `senones = true` for the second row. Languages are those of the manifest.
"""

import sys
from collections import Counter

import numpy as np

from heterodub.model.evaluation.controls import copy_reference
from heterodub.model.evaluation.generator import GeneratorEvalClip, linear_landmarks, reference_frames
from heterodub.model.evaluation.intervals import Interval, difference_interval, mean_interval
from heterodub.model.evaluation.landmarks import score_clip
from heterodub.model.stage1.linear import LinearMoments
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import folds
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import few_a_speaker, find_release, select
from heterodub.tasks.training.stage1 import read_eval_clips

_REFERENCES = 8


def main(root: str, count: int = 5) -> None:
    """Print opening correlation and lips' error below the copy's, for all speakers and by language."""
    workspace = Workspace.open(root)
    release = find_release(workspace, None)
    selection = select(workspace, release, Stage.STAGE1)
    rows = releases.read_table(workspace, release, "catalog", ["media_id", "language"]).to_pylist()
    languages = {row["media_id"]: row["language"] or "not stated" for row in rows}
    spoken = {clip.facts.speaker: languages[clip.place.media_id] for clip in (*selection.train, *selection.val)}
    scores: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for features in ("mel", "mel+senones"):
        settings = Stage1Settings(architecture={"speech_features": features})
        for fold, held in folds(selection, count):
            train = read_eval_clips(fold, (*fold.train, *fold.val), settings)
            frames = Counter[str]()
            for clip in train:
                frames[clip.speaker] += clip.prepared.frames
            moments = LinearMoments(settings.architecture.speech_width)
            for clip in train:
                moments.add(clip.prepared, clip.speaker, 1 / frames[clip.speaker])
            linear = moments.fit()
            for clip in read_eval_clips(fold, few_a_speaker(held), settings):
                scores.setdefault(features, {}).setdefault(clip.speaker, []).append(_scores(linear, clip))
        _print(features, scores, spoken)


def _scores(linear, clip: GeneratorEvalClip) -> tuple[float, float]:
    reference = reference_frames(clip.prepared.counts_T, _REFERENCES)
    counts = clip.prepared.counts_T.copy()
    counts[reference] = False
    ours = score_clip(linear_landmarks(linear, clip, reference), clip.landmarks_TPXY, counts)
    copied = copy_reference(clip.landmarks_TPXY[reference], clip.landmarks_TPXY)
    copy = score_clip(copied, clip.landmarks_TPXY, counts)
    r = np.nan if ours.mouth_opening_corr is None else ours.mouth_opening_corr
    return r, 1 - ours.nme_lips / copy.nme_lips


def _print(features: str, scores, spoken: dict[str, str]) -> None:
    for language in ("all", *sorted(set(spoken.values()))):
        chosen = [name for name in scores[features] if language in ("all", spoken[name])]
        own = [np.nanmean(scores[features][name], axis=0) for name in chosen]
        mel = [np.nanmean(scores["mel"][name], axis=0) for name in chosen]
        texts = [_text(mean_interval([row[place] for row in own])) for place in (0, 1)]
        texts += [_text(difference_interval([o[0] for o in own], [m[0] for m in mel]))]
        row = f"{features:12s} {language:12s} {len(chosen):3d} speakers"
        print(f"{row}  r {texts[0]}  below copy {texts[1]}  r gained {texts[2]}")


def _text(interval: Interval) -> str:
    return "-" if interval.mean is None else interval.format("+.3f")


if __name__ == "__main__":
    main(sys.argv[1])
