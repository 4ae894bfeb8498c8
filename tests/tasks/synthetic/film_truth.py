"""Ground truth of a film of the sample, read back as a user would."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heterodub.tasks.synthetic.mouth import Curve
from heterodub.tasks.synthetic.speech import Phoneme


@dataclass(frozen=True, slots=True)
class FilmTruth:
    """`opening` (T,) per frame at `fps`, and the film's phonemes."""

    fps: float
    opening: Curve
    phonemes: tuple[Phoneme, ...]


def read_film_truth(folder: Path, file: str) -> FilmTruth:
    with np.load(folder / "truth" / f"{file}.npz") as stored:
        spoken = zip(stored["ipa"].tolist(), stored["start_s"].tolist(), stored["end_s"].tolist(), strict=True)
        return FilmTruth(float(stored["fps"]), stored["opening"], tuple(Phoneme(*parts) for parts in spoken))
