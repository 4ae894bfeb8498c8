"""Scores by stratum: the deciding score of a model, and its improvement over controls, on clips of one kind."""

from collections.abc import Sequence
from dataclasses import dataclass

from heterodub.model.evaluation.clip_scores import ClipScores, by_speaker, of_system
from heterodub.model.evaluation.intervals import Interval, mean_interval
from heterodub.model.evaluation.report import Improvement, ReportSpec
from heterodub.schemas.strata import ClipStrata, clips_by_stratum


@dataclass(frozen=True, slots=True)
class StratumScores:
    """Deciding score of a model on one stratum. interval: over speakers. improvements: over the decisive controls."""

    factor: str
    stratum: str
    clips: int
    speakers: int
    score: str
    interval: Interval
    improvements: tuple[Improvement, ...]


def stratum_scores(rows: Sequence[ClipScores], spec: ReportSpec, strata: ClipStrata) -> tuple[StratumScores, ...]:
    """Aggregate the scores of clips by stratum; clips without strata are left out."""
    score, _ = spec.deciding
    scored = {row.clip_id for row in rows}
    parts = []
    for factor, stratum, ids in clips_by_stratum({clip: of for clip, of in strata.items() if clip in scored}):
        members = set(ids)
        chosen = [row for row in rows if row.clip_id in members]
        model = of_system(chosen, spec.model)
        interval = mean_interval(list(by_speaker(model, score).values()))
        improvements = tuple(
            Improvement(spec.model, control, score, spec.improvement(model, controlled, score))
            for control in spec.decisive
            if (controlled := of_system(chosen, control))
        )
        speakers = len({row.speaker for row in chosen})
        parts.append(StratumScores(factor, stratum, len(ids), speakers, score, interval, improvements))
    return tuple(parts)
