"""Sheets of real scores drawn anew: what other speakers, or the toss of a coin, would have made of them."""

from dataclasses import replace

import numpy as np
from scipy.stats import binom

from heterodub.tasks.promotion.candidates import ModelScores

TRIALS = 100

MOST_WINS = int(binom.ppf(0.99, TRIALS, 0.025))
"""Of so many trials: what a gate whose rate is the stated one stays below 99 times in 100."""


def drawn(draw: np.random.Generator, *sheets: ModelScores) -> list[ModelScores]:
    """The sheets with speakers drawn with replacement, the same ones for all; who is drawn twice counts as two."""
    speakers = sorted(set(sheets[0].speakers.values()))
    chosen = draw.choice(speakers, len(speakers))
    return [
        replace(
            sheet,
            clip_scores=tuple(
                replace(row, speaker=f"{place} {name}", clip_id=f"{place} {row.clip_id}")
                for place, name in enumerate(chosen)
                for row in sheet.clip_scores
                if row.speaker == name
            ),
        )
        for sheet in sheets
    ]


def swapped(draw: np.random.Generator, one: ModelScores, other: ModelScores) -> list[ModelScores]:
    """The two with each speaker's scores exchanged by the toss of a coin: truly equal, whatever they were."""
    heads = {name for name in sorted(set(one.speakers.values())) if draw.random() < 0.5}
    made = []
    for mine, theirs in ((one, other), (other, one)):
        rows = zip(mine.clip_scores, theirs.clip_scores, strict=True)
        made.append(replace(mine, clip_scores=tuple(a if a.speaker in heads else b for a, b in rows)))
    return made
