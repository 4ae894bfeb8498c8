"""Train the mouth refiner: `python -m tests.bench.fit_mouth_refiner CORPUS --bundle face_landmarker.task -o FOLDER`.

CORPUS holds films (media/) and a manifest.csv with the columns file, speaker_id, expected, seconds and redistribution.
The network that is written learns from those films alone whose `redistribution` is "ok" or begins with "probably ok",
and is scored on everybody else. `--folds 4` trains on all films besides, on other people each time than those it is
scored on, which shows what more people would bring.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from heterodub.model.features.landmarks import LIPS, interocular, mouth_opening
from heterodub.tasks.faces.mouth_refiner import CHIN, WEIGHTS
from tests.bench.mouth_damage import DAMAGES
from tests.bench.mouth_footage import MouthClip, load_clips
from tests.bench.mouth_training import Mouths, TorchMouthRefiner, are_alike, refined, train

LEAST_FRAMES: Final = 25
LEAST_SPREAD: Final = 0.015
"""Standard deviation of the mouth opening of v2, over the distance of the eyes, from which a mouth is scored."""

_MIDDLE_OF_CHIN: Final = CHIN[len(CHIN) // 2 - 7 : len(CHIN) // 2 + 7]

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MouthScores:
    """Agreement of a clip's mouth with mesh v2's. errors: mean distance over the eyes' distance. jitter: mean second
    difference of the lips, in the same unit.
    """

    damage: str
    speaker: str
    correlation: float
    spread: float
    lip_error: float
    chin_error: float
    jitter: float


def scores(points_TDPXY: Points, clip: MouthClip) -> list[MouthScores]:
    """Score points in place of the clip's own, each kind of damage; frames in which the meshes see different faces
    do not count, nor do mouths that hardly move.
    """
    alike_T = are_alike(clip)[:, 0]
    true_TDPXY = clip.true_TDPXY[alike_T].astype(np.float64)
    opening_TD = mouth_opening(true_TDPXY)
    if len(opening_TD) < LEAST_FRAMES or opening_TD[:, 0].std() < LEAST_SPREAD:
        return []
    points_TDPXY = points_TDPXY[alike_T].astype(np.float64)
    found_TD = mouth_opening(points_TDPXY)
    error_TDP = np.linalg.norm(points_TDPXY - true_TDPXY, axis=-1) / interocular(true_TDPXY)[..., None]
    jerk_TDP = np.linalg.norm(np.diff(points_TDPXY, 2, axis=0), axis=-1) / interocular(true_TDPXY)[1:-1, :, None]
    return [
        MouthScores(
            damage,
            clip.speaker,
            float(np.corrcoef(found_TD[:, at], opening_TD[:, at])[0, 1]),
            float(found_TD[:, at].std() / opening_TD[:, at].std()),
            float(error_TDP[:, at, LIPS].mean()),
            float(error_TDP[:, at, _MIDDLE_OF_CHIN].mean()),
            float(jerk_TDP[:, at, LIPS].mean()),
        )
        for at, damage in enumerate(DAMAGES)
    ]


Refine = Callable[[MouthClip], Points]


def report(clips: Sequence[MouthClip], refine: Refine) -> dict[str, Any]:
    """Return v1's scores beside the refined ones, median and the worse tenth over clips, each kind of damage apart."""
    pairs = [(scores(clip.seen_TDPXY, clip), scores(refine(clip), clip)) for clip in clips]
    before, after = ([score for pair in pairs for score in pair[side]] for side in (0, 1))
    return {
        "clips": sum(bool(pair[0]) for pair in pairs),
        "speakers": len({score.speaker for score in before}),
        **{kind: {"v1": summary(before, kind), "v1r": summary(after, kind)} for kind in DAMAGES},
    }


def summary(found: Sequence[MouthScores], damage: str) -> dict[str, list[float] | float]:
    """Return median and worse tenth of the correlation, tenth, median and ninetieth percentile of the spread ratio, and
    medians of the others.
    """
    of_kind = [score for score in found if score.damage == damage]

    def percentiles(name: str, *asked: float) -> list[float]:
        values = np.percentile([getattr(score, name) for score in of_kind], asked)
        return [round(float(value), 4) for value in values]

    return {
        "correlation": percentiles("correlation", 50, 10),
        "spread": percentiles("spread", 50, 10, 90),
        **{name: percentiles(name, 50)[0] for name in ("lip_error", "chin_error", "jitter")},
    }


def folds(clips: Sequence[MouthClip], count: int, steps: int) -> dict[str, Any]:
    """Score every clip by a network that learned from other people, of all licences."""
    networks = {}
    for fold in range(count):
        others = [clip for clip in clips if _fold(clip.speaker, count) != fold]
        networks[fold] = train(Mouths.of(others), steps, fold)
    return report(clips, lambda clip: refined(networks[_fold(clip.speaker, count)], clip))


def _fold(speaker: str, count: int) -> int:
    return hashlib.sha256(speaker.encode()).digest()[0] % count


def card(learned: Sequence[MouthClip], steps: int, footage: str, tested: dict[str, Any]) -> str:
    """Return the network's card in JSON: what it learned from, and its scores on other people."""
    people = {name: list(group) for name, group in groupby(learned, key=lambda clip: clip.speaker)}
    return json.dumps(
        {
            "model": "mouth refiner of heterodub: moves lips and chin of face mesh v1 to where mesh v2 finds them",
            "footage": footage,
            "speakers": len(people),
            "files": len({clip.file for clip in learned}),
            "frames": sum(len(clip.crops_TDSS3) for clip in learned),
            "damages": DAMAGES,
            "steps": steps,
            "held_out": tested,
            "limits": "adults in front view, most of them of one corpus before one backdrop; covered mouths, profiles "
            "and children were not learned from; mesh v2 is taken for the truth",
        },
        indent=1,
    )


def write(network: TorchMouthRefiner, text: str, folder: Path) -> None:
    """Write weights, in 16 bits, and card."""
    arrays: dict[str, Any] = {name: one.astype(np.float16) for name, one in network.arrays().items()}
    np.savez_compressed(folder / WEIGHTS, allow_pickle=False, **arrays)
    (folder / WEIGHTS).with_suffix(".json").write_text(text + "\n")


def main() -> None:
    """Print the scores on other people, and write the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--bundle", type=Path, required=True, help="face_landmarker.task, which holds mesh v2")
    parser.add_argument("-o", "--output", type=Path, help="folder; without one nothing is written")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/mouths"), help="folder for what was read of the films"
    )
    parser.add_argument("--footage", default="", help="whose footage it is, and its licences: for the card")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--folds", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = load_clips(arguments.corpus, arguments.bundle, arguments.cache)
    free = [clip for clip in clips if clip.is_free]
    network = train(Mouths.of(free), arguments.steps, 0)
    tested = {"other people": report([clip for clip in clips if not clip.is_free], lambda clip: refined(network, clip))}
    if arguments.folds:
        tested[f"{arguments.folds} folds over all people"] = folds(clips, arguments.folds, arguments.steps)
    print(json.dumps(tested, indent=1))
    if arguments.output is not None:
        write(network, card(free, arguments.steps, arguments.footage, tested), arguments.output)


if __name__ == "__main__":
    main()
