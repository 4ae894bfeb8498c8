"""Sheets with made scores, whose outcome can be computed by hand."""

from collections.abc import Callable

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.schemas.promotion import ModelRule, ResamplingRule
from heterodub.tasks.promotion.candidates import ModelScores

DIRECTIONS = {"error": "less", "correlation": "more", "mouth_opening_std_ratio": "near one", "jitter": "up to one"}

RULE = ModelRule(
    primary="error",
    minimum_effect=0.02,
    least_clips=12,
    least_speakers=6,
    controls={"copy": 0.0, "unpaired audio": 0.01},
    gain_tolerances={"unpaired audio": 0.04},
    tolerances={"correlation": 0.07, "mouth_opening_std_ratio": 0.15, "jitter": 0.2},
    costs={"latency_ms": 1.5},
)
RESAMPLING = ResamplingRule(resamples=500)

Score = float | None | Callable[[int], float | None]


def sheet(
    version: int = 1,
    error: Score = 1.0,
    correlation: Score = 0.5,
    mouth_opening_std_ratio: Score = 1.0,
    jitter: Score = 0.7,
    copy: Score = 2.0,
    other: Score = 1.5,
    latency_ms: float | None = 10.0,
    speakers: int = 8,
    clips: int = 2,
) -> ModelScores:
    """A number is the score of every clip; a function gives it by the clip's number."""
    graded = []
    for number in range(speakers * clips):
        wobble = 1 + 0.02 * ((number * 7) % 5 - 2)
        for system, of_error in (("paired audio", error), ("copy", copy), ("unpaired audio", other)):
            scores = {"error": _at(of_error, number, wobble)}
            if system == "paired audio":
                others = {
                    "correlation": correlation,
                    "mouth_opening_std_ratio": mouth_opening_std_ratio,
                    "jitter": jitter,
                }
                scores |= {name: _at(score, number) for name, score in others.items()}
            graded.append(ClipScores(f"clip {number:03d}", f"speaker {number // clips}", system, scores))
    costs = {} if latency_ms is None else {"latency_ms": latency_ms}
    return ModelScores(version, "paired audio", tuple(graded), costs)


def _at(score: Score, number: int, wobble: float = 1.0) -> float | None:
    value = score(number) if callable(score) else score
    return None if value is None else value * wobble
