"""Error rates of the gate's rule on strata, on made-up benchmarks whose truth is known.

    python -m tests.bench.strata [TRIALS]

Two models on the same clips. Their errors differ by what training with another seed changes: 3 % from speaker to
speaker and 5 % from clip to clip (standard deviations), so that a benchmark of 18 clips of 11 speakers has the interval
that one had on real footage, 5.6 points (docs/promotion.md). Corpora are of unequal size, licences and languages go by
corpus, sizes and poses by speaker and clip, so strata overlap. Compared are the figure alone, each interval on its own,
bootstrap intervals that should hold together, and jackknife ones, which the gate uses.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import mean

import numpy as np

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.intervals import Resampling, reduction_interval
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.schemas.strata import ClipStrata, strata_of
from heterodub.tasks.promotion.candidates import ModelScores
from heterodub.tasks.promotion.stratum_checks import StratumComparison, compare_strata

RULE, LEVEL = load_promotion_policy().rule("landmark-generator"), 0.95
SIZES = ((8, 2), (12, 2), (30, 3), (100, 4))
"""Speakers of a benchmark, and clips of each."""

HARMED = (30, 3)
"""The same where one stratum is harmed."""

TOLERANCES = (0.0, 0.02, 0.05)

GAIN = 0.04
"""Share by which a challenger that harms one stratum is better in the others."""


@dataclass(frozen=True)
class Trial:
    """Both models' scores. harmed: factor and stratum in which the challenger is worse, if any."""

    challenger: ModelScores
    champion: ModelScores
    strata: ClipStrata
    harmed: tuple[str, str] | None


def rows_of(draw: np.random.Generator, speakers: int, clips: int) -> Iterator[tuple[int, Mapping[str, object]]]:
    for speaker in range(speakers):
        corpus = min(int(draw.geometric(0.45)) - 1, 4)
        language = ("en", "zh")[corpus % 2] if draw.random() < 0.8 else "ar"
        name = f"speaker {speaker}" if draw.random() < 0.8 else f"file:{speaker}"
        own_px, own_deg = draw.lognormal(4.9, 0.4), abs(draw.normal(0, 12))
        for _ in range(clips):
            yield (
                speaker,
                {
                    "language": language,
                    "face_height_px": own_px * draw.lognormal(0, 0.1),
                    "yaw_deg": own_deg + abs(draw.normal(0, 5)),
                    "corpus": f"corpus {corpus}",
                    "licence": f"licence {corpus // 2}",
                    "speaker": name,
                },
            )


def trial(draw: np.random.Generator, speakers: int, clips: int, harm: float = 0.0, size: range = range(0)) -> Trial:
    """harm: share of more error in one stratum of so many speakers, drawn at random; equal models without."""
    rows = list(rows_of(draw, speakers, clips))
    strata = {f"clip {number:04d}": strata_of(row) for number, (_, row) in enumerate(rows)}
    of_speaker = [speaker for speaker, _ in rows]
    base = 0.02 * np.exp(draw.normal(0, 0.35, speakers)[of_speaker] + draw.normal(0, 0.2, len(rows)))
    change = draw.normal(0, 0.03, speakers)[of_speaker] + draw.normal(0, 0.05, len(rows))
    ours, theirs = base * np.exp(change / 2), base * np.exp(-change / 2)
    harmed = None
    if harm:
        ours *= 1 - GAIN
        members: dict[tuple[str, str], set[int]] = {}
        for speaker, of_clip in zip(of_speaker, strata.values(), strict=True):
            for kind in of_clip.items():
                members.setdefault(kind, set()).add(speaker)
        fit = sorted(kind for kind, names in members.items() if len(names) in size)
        if fit:
            harmed = fit[draw.integers(len(fit))]
            of = np.array([of_clip[harmed[0]] == harmed[1] for of_clip in strata.values()])
            ours = np.where(of, ours * (1 + harm) / (1 - GAIN), ours)
    both = [
        ModelScores(
            version,
            "model",
            tuple(
                ClipScores(clip, str(speaker), "model", {RULE.primary: float(error)})
                for clip, speaker, error in zip(strata, of_speaker, errors, strict=True)
            ),
        )
        for version, errors in ((2, ours), (1, theirs))
    ]
    return Trial(both[0], both[1], strata, harmed)


def refusals(made: Trial, by_bootstrap: bool) -> dict[str, list[set[tuple[str, str]]]]:
    """Return the refused strata by rule and tolerance."""
    together = judged(made, LEVEL)
    # an interval on its own is one of those that hold together at a lower level
    alone = judged(made, 1 - (1 - LEVEL) * max(len(together), 1))
    bounds = {
        "figure": {kind: part.gain.mean for kind, part in together.items()},
        "each interval": {kind: part.gain.high for kind, part in alone.items()},
        "intervals together": {kind: part.gain.high for kind, part in together.items()},
    }
    if by_bootstrap:
        bounds["bootstraps together"] = {kind: bootstrap_high(made, kind, len(together)) for kind in together}
    return {
        name: [{kind for kind, bound in of.items() if bound < -tolerance} for tolerance in TOLERANCES]
        for name, of in bounds.items()
    }


def judged(made: Trial, level: float) -> dict[tuple[str, str], StratumComparison]:
    parts = compare_strata(made.challenger, made.champion, made.strata, RULE, level)
    return {(part.factor, part.stratum): part for part in parts if not part.not_judged}


def bootstrap_high(made: Trial, kind: tuple[str, str], strata: int) -> float:
    clips = [clip for clip, of_clip in made.strata.items() if of_clip[kind[0]] == kind[1]]
    ours, theirs = (model.column("model", RULE.primary, clips) for model in (made.challenger, made.champion))
    speakers = [made.challenger.speakers[clip] for clip in clips]
    high = reduction_interval(ours, theirs, speakers, Resampling(level=1 - (1 - LEVEL) / strata)).high
    return float("inf") if high is None else high


def rates(trials: list[Trial], by_bootstrap: bool = False) -> str:
    """Return the shares of trials in which each rule refuses: of harmed ones, the harmed stratum."""
    results = [(made.harmed, refusals(made, by_bootstrap)) for made in trials]
    texts = []
    for name in results[0][1]:
        shares = [
            mean(bool(found[name][at]) if harmed is None else harmed in found[name][at] for harmed, found in results)
            for at in range(len(TOLERANCES))
        ]
        texts.append(f"{name} " + " ".join(f"{100 * share:5.1f}" for share in shares))
    return "; ".join(texts)


def main(trials: int) -> None:
    draw = np.random.default_rng(0)
    print(f"{trials} trials; % refused with a tolerance of {', '.join(f'{most:g}' for most in TOLERANCES)}")
    for speakers, clips in SIZES:
        made = [trial(draw, speakers, clips) for _ in range(trials)]
        strata = mean(len(judged(one, LEVEL)) for one in made)
        refused = rates(made, speakers <= 30)
        print(f"equal, {speakers} speakers of {clips} clips, {strata:.0f} strata judged: {refused}", flush=True)
    for size in (range(6, 10), range(10, 20), range(20, 31)):
        for harm in (0.1, 0.2, 0.3):
            made = [one for one in (trial(draw, *HARMED, harm, size) for _ in range(trials)) if one.harmed]
            where = f"a stratum of {size[0]} to {size[-1]} of {HARMED[0]} speakers"
            print(f"{harm:.0%} more error in {where}: {rates(made)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
