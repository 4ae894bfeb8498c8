"""Bias and coverage of `label score`: draws from a made-up population whose precision and recall are known.

    python -m tests.bench.label_draws

Speakers differ in how often they are noisy, blurred or refused by a person, so clips of one resemble each other.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from heterodub.model.evaluation.intervals import share_interval
from heterodub.tasks.labelling.sampling import allocate

SPEAKERS, CLIPS_EACH, TRIALS = 40, 25, 400


@dataclass(frozen=True)
class MadeClip:
    """A clip: its stratum, whether the policy admits it, and whether a person keeps it."""

    speaker: str
    stratum: str
    admitted: bool
    kept: bool


def population(random_order: random.Random) -> list[MadeClip]:
    clips = []
    for speaker in range(SPEAKERS):
        noisy, blurred, wrong = (random_order.betavariate(1, 9) for _ in range(3))
        for _ in range(CLIPS_EACH):
            stratum = random_order.choices(("noisy", "blurred", "admitted"), (noisy, blurred, 1 - noisy - blurred))[0]
            admitted = stratum == "admitted"
            kept = (random_order.random() >= wrong) if admitted else random_order.random() < 0.3
            clips.append(MadeClip(str(speaker), stratum, admitted, kept))
    return clips


def drawn(clips: Sequence[MadeClip], count: int, random_order: random.Random) -> list[tuple[MadeClip, float]]:
    """Clips of a balanced draw, each with the number of clips it stands for."""
    strata: dict[str, list[MadeClip]] = {}
    for clip in clips:
        strata.setdefault(clip.stratum, []).append(clip)
    shares: Mapping[str, int] = allocate({name: len(of_it) for name, of_it in strata.items()}, {}, count)
    return [
        (clip, len(of_it) / shares[name])
        for name, of_it in strata.items()
        for clip in random_order.sample(of_it, shares[name])
    ]


def trial(count: int, seed: int) -> list[tuple[float, float, bool, float]]:
    """Weighted and unweighted error of precision and of recall, whether the interval holds the truth, its width."""
    random_order = random.Random(seed)
    clips = population(random_order)
    sample, rows = drawn(clips, count, random_order), []
    for of, hit in (("admitted", "kept"), ("kept", "admitted")):
        truth = mean(getattr(clip, hit) for clip in clips if getattr(clip, of))
        chosen = [(clip, weight) for clip, weight in sample if getattr(clip, of)]
        hits = [getattr(clip, hit) for clip, _ in chosen]
        share = share_interval(hits, [weight for _, weight in chosen], [clip.speaker for clip, _ in chosen])
        assert share.mean is not None and share.low is not None and share.high is not None
        holds = share.low <= truth <= share.high
        rows.append((share.mean - truth, mean(hits) - truth, holds, share.high - share.low))
    return rows


def main() -> None:
    for count in (50, 150, 300):
        trials = [trial(count, seed) for seed in range(TRIALS)]
        for number, name in enumerate(("precision", "recall")):
            weighted, plain, holds, width = (mean(rows[number][k] for rows in trials) for k in range(4))
            bias = f"bias {weighted:+.3f}, unweighted {plain:+.3f}"
            print(f"{count} clips, {name}: {bias}, holds {holds:.0%}, width {width:.2f}")


if __name__ == "__main__":
    main()
