"""Precision and recall of a policy, by what people said of clips.

Clips of draws stand for others: the shares are of all clips that the draws were from (a Horvitz-Thompson estimate with
the weights of the answered clips, as a share of two such sums). A clip counts when each stage that can use it was
answered. Draws from other sampling frames are averaged in the proportion of their answered clips. Labels of clips that
people chose themselves say nothing of the others; without any draw the shares are of those clips alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from heterodub.model.evaluation.intervals import Interval, share_interval
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason, Stage
from heterodub.tasks.identity.units import with_people
from heterodub.tasks.labelling.applied import clips_of
from heterodub.tasks.labelling.sampling import ADMITTED, CLIP_COLUMNS, LabelCandidate, is_answered, label_candidates
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import Labels, read_labels
from heterodub.tasks.stores.workspace import Workspace

REFUSED: Final = "refused"

_CODES: Final = frozenset(reason.value for reason in ClipReason)


@dataclass(frozen=True, slots=True)
class VerdictScore:
    """Agreement with one verdict of a policy: admitted, refused, or refused for a reason.

    clips: labelled clips with that verdict; agreed: those of which people say so, too. precision: share of the clips
    with the verdict that people keep (admitted) or refuse. recall: share of the clips that people keep, or refuse, or
    refuse naming that very reason, that have the verdict.
    """

    stage: str
    verdict: str
    clips: int
    agreed: int
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class PolicyScore:
    """Scores of a policy. drawn: True if they are of all clips, by draws. clips: labelled clips behind them. covered:
    share of all clips in strata with an answer; 1 without draws. by_hand: labels that a draw did not ask for.
    """

    policy: str
    drawn: bool
    clips: int
    covered: float
    by_hand: int
    scores: tuple[VerdictScore, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """A labelled clip of one stage. named: the reason of a person who refuses it."""

    codes: frozenset[str]
    keep: bool
    named: str
    weight: float
    speaker: str


_Test = Callable[[_Answer], bool]


def score_policy(ws: Workspace, policy: Policy) -> PolicyScore:
    """Score a policy on the standing labels.

    Raises: NotFoundError - no label is of a clip that a stage can use. WorkspaceError - a table cannot be read.
    """
    labels = read_labels(ws)
    labelled = {clip for clip, _ in labels}
    rows = clips_of(with_people(tables.read_any(ws, "clips", CLIP_COLUMNS)), labelled)
    clips = {clip.clip_id: clip for clip in label_candidates(rows, policy)}
    weights, covered = _weights(tables.read_any(ws, "draws").to_pylist(), clips, labels)
    by_hand = sum(label.draw is None for label in labels.values())
    drawn = bool(weights)
    answers = {stage: _answers(clips, labels, stage, weights) for stage in Stage}
    if not any(answers.values()):
        raise NotFoundError(
            "no label is of a stored clip that its stage can use; `heterodub label draw 50` asks for some"
        )
    count = len(weights) if drawn else len(clips)
    scores = tuple(score for stage in Stage for score in _scores(stage, answers[stage]))
    return PolicyScore(policy.hash, drawn, count, covered, by_hand, scores)


def _weights(
    drawn: Sequence[Mapping[str, Any]], clips: Mapping[str, LabelCandidate], labels: Labels
) -> tuple[dict[str, float], float]:
    """Return the number of clips that each answered clip stands for, and the share of the newest frame covered."""
    frames: dict[str, dict[str, set[str]]] = {}
    sizes: dict[tuple[str, str], int] = {}
    totals: dict[str, int] = {}
    for row in sorted(drawn, key=lambda row: str(row["created_utc"])):
        of_stratum = frames.setdefault(row["frame"], {}).setdefault(row["stratum"], set())
        if row["clip_id"] in clips and is_answered(clips[row["clip_id"]], labels):
            of_stratum.add(row["clip_id"])
        sizes[row["frame"], row["stratum"]], totals[row["frame"]] = row["population"], row["frame_clips"]
    answers = {frame: sum(map(len, strata.values())) for frame, strata in frames.items()}
    weights: dict[str, float] = {}
    covered = 1.0
    for frame, strata in frames.items():
        if answers[frame]:
            covered = sum(sizes[frame, name] for name, ids in strata.items() if ids) / totals[frame]
        for name, ids in strata.items():
            for clip in ids:
                part = answers[frame] / sum(answers.values())
                weights[clip] = weights.get(clip, 0.0) + part * sizes[frame, name] / len(ids)
    return weights, covered


def _answers(
    clips: Mapping[str, LabelCandidate], labels: Labels, stage: Stage, weights: Mapping[str, float]
) -> list[_Answer]:
    answers = []
    for clip_id, clip in clips.items():
        label = labels.get((clip_id, stage))
        if label is None or stage not in clip.reasons or (weights and clip_id not in weights):
            continue
        named = "" if label.keep else label.reason
        codes, speaker = clip.reasons[stage], str(clip.row["speaker"])
        answers.append(_Answer(codes, label.keep, named, weights.get(clip_id, 1.0), speaker))
    return answers


def _scores(stage: Stage, answers: Sequence[_Answer]) -> Iterator[VerdictScore]:
    """Yield the scores of admissions, of refusals, and of each reason that policy or people name."""
    if not answers:
        return
    yield _score(stage, ADMITTED, answers, lambda answer: not answer.codes, _is_kept, _is_kept)
    yield _score(stage, REFUSED, answers, lambda answer: bool(answer.codes), _is_refused, _is_refused)
    named = {answer.named for answer in answers if answer.named in _CODES}
    for code in sorted({code for answer in answers for code in answer.codes} | named):
        yield _score(stage, code, answers, partial(_has, code), _is_refused, partial(_names, code))


def _score(
    stage: Stage, verdict: str, answers: Sequence[_Answer], has: _Test, agrees: _Test, wanted: _Test
) -> VerdictScore:
    """Score one verdict. has: the policy gives it; agrees: people say so, too; wanted: people would have it given."""
    having, due = ([answer for answer in answers if test(answer)] for test in (has, wanted))
    agreed = sum(map(agrees, having))
    return VerdictScore(str(stage), verdict, len(having), agreed, _share(having, agrees), _share(due, has))


def _is_kept(answer: _Answer) -> bool:
    return answer.keep


def _is_refused(answer: _Answer) -> bool:
    return not answer.keep


def _has(code: str, answer: _Answer) -> bool:
    return code in answer.codes


def _names(code: str, answer: _Answer) -> bool:
    return answer.named == code


def _share(answers: Sequence[_Answer], test: _Test) -> Interval:
    weights, speakers = [answer.weight for answer in answers], [answer.speaker for answer in answers]
    return share_interval([test(answer) for answer in answers], weights, speakers)
