"""Train the sync network: `python -m tests.bench.fit_av_sync WORKSPACE ... [-o FOLDER] [--steps 1200]`.

Learns from the stage-1 rows of workspaces: those of several landmark backends may lie in one each. Speakers are held
out in turn to measure how own sound stands out from others' and from late sound; then the network is trained on all of
them, and written with its card. Ingest with a policy without limits on sync and faces, or the clips are those that the
network before had passed.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array
from heterodub.schemas.contract import FPS, LANDMARK_POINTS, MEL_BANDS
from heterodub.tasks.quality.av_sync import LEAST_FRAMES, AvSync, FitCurve, chance_spread, evaluate_curve, fit_curve
from heterodub.tasks.quality.sound_shift import CORRECTABLE_FRAMES
from heterodub.tasks.quality.sync_network import WEIGHTS, SyncNetwork, lip_features, sound_features
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.bench.sync_training import Example, train

FOLDS: Final = 4
FALSE_PAIRS: Final = 10
"""Other speakers' clips whose sound each mouth is held against."""

MOST_CLIPS: Final = 12
"""Clips of a speaker and a backend that are used, the first by id."""

LATE: Final = {"late": 15, "0.2 s late": 5}
"""Frames by which the sound of a trial comes late: more than can be corrected, and less."""

ALONE: Final = 0.1
"""Share of frames with another face up to which a clip is used: else it may be that one who speaks."""

DRAWN: Final = "drawn"
"""Speakers whose names begin so are learned from and never scored."""

_FACTS: Final = ["speaker", "uri", "backend", "yaw_deg", "face_height_px", "start_frame", "track", "faces_share"]


def load_examples(workspace: Workspace, skip: Callable[[str], bool] = lambda uri: False) -> list[Example]:
    """Load the stage-1 clips of a workspace that are long enough; `skip` leaves out files by their address."""
    clips = {row["clip_id"]: row for row in tables.read(workspace, "clips", ["clip_id", *_FACTS]).to_pylist()}
    examples: list[Example] = []
    for batch in tables.batches(workspace, "stage1", columns=["clip_id", "landmarks", "tracked", "mel"]):
        for row in range(batch.num_rows):
            facts = clips[batch["clip_id"][row].as_py()]
            points = _matrix(batch["landmarks"][row]).reshape(-1, LANDMARK_POINTS, 2)
            if len(points) < LEAST_FRAMES or facts["faces_share"] > ALONE or skip(facts["uri"]):
                continue
            lips = lip_features(points, np.array(batch["tracked"][row].as_py()))
            sound = sound_features(_matrix(batch["mel"][row]).reshape(-1, MEL_BANDS))
            examples.append(Example(facts["clip_id"], facts["speaker"], facts["backend"], lips, sound, facts))
    counts: Counter[tuple[str, str]] = Counter()
    kept = []
    for example in sorted(examples, key=lambda one: one.clip_id):
        counts[example.speaker, example.backend] += 1
        kept += [example] if counts[example.speaker, example.backend] <= MOST_CLIPS else []
    return kept


def _matrix(value: pa.Scalar) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = value.values.flatten().to_numpy(zero_copy_only=False)
    return flat


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One mouth with one sound. kind: own, a key of LATE, or other. weight: less where a speaker has many clips.

    chance: spread of a frame's fit by chance; known when all folds were tried.
    """

    kind: str
    curve: FitCurve
    example: Example
    weight: float
    chance: float = float("nan")

    @property
    def sync(self) -> AvSync:
        """Score and offset."""
        return evaluate_curve(self.curve, self.chance, None)


def held_out(examples: Sequence[Example], steps: int, fold: int) -> list[Trial]:
    """Try the clips of a fold's speakers with a network of the others."""
    torch.set_num_threads(1)
    weights = train([example for example in examples if _fold(example.speaker) != fold], steps, fold)
    inside = [one for one in examples if _fold(one.speaker) == fold and not one.speaker.startswith(DRAWN)]
    return trials(inside, SyncNetwork.of(weights))


def trials(examples: Sequence[Example], network: SyncNetwork) -> list[Trial]:
    """Try clips with their own sound, with it late, and with that of other speakers among them."""
    draw = np.random.default_rng(0)
    counts = Counter((example.speaker, example.backend) for example in examples)
    lips = [network.embed_lips(example.lips) for example in examples]
    sounds = [network.embed_sound(example.sound) for example in examples]
    found = []
    for number, example in enumerate(examples):
        weight = counts[example.speaker, example.backend] ** -0.5
        usable = example.lips.any(axis=1)
        add = partial(_trial, example, weight)
        found.append(add("own", lips[number], sounds[number], usable))
        for kind, frames in LATE.items():
            if len(usable) >= LEAST_FRAMES + frames:
                found.append(add(kind, lips[number][frames:], sounds[number][:-frames], usable[frames:]))
        others = [
            place
            for place, other in enumerate(examples)
            if other.speaker != example.speaker and other.backend == example.backend
        ]
        for other in draw.permutation(others)[:FALSE_PAIRS]:
            frames = min(len(usable), len(sounds[other]))
            if frames >= LEAST_FRAMES:
                found.append(add("other", lips[number][:frames], sounds[other][:frames], usable[:frames]))
    return found


def _trial(example: Example, weight: float, kind: str, lips: Array, sound: Array, usable: NDArray[np.bool_]) -> Trial:
    return Trial(kind, fit_curve(sound, lips, usable), example, weight)


def _fold(speaker: str) -> int:
    return hashlib.sha256(speaker.encode()).digest()[0] % FOLDS


def passed(found: Sequence[Trial], kind: str, limit: float) -> tuple[float, int]:
    """Return the weighted share of trials of a kind that reach the limit with an offset that can be corrected, and
    their number.
    """
    tried = [trial for trial in found if trial.kind == kind]
    weights = np.array([trial.weight for trial in tried])
    passes = [trial.sync.score >= limit and abs(trial.sync.offset_frames) <= CORRECTABLE_FRAMES for trial in tried]
    return (float(np.average(passes, weights=weights)) if tried else float("nan")), len(tried)


def limit_for(found: Sequence[Trial], kind: str, share: float) -> float:
    """Return the lowest limit, in steps of 0.05, that no more than `share` of the trials of a kind pass."""
    return next(limit for limit in np.arange(-5, 40, 0.05).round(2).tolist() if passed(found, kind, limit)[0] <= share)


def report(found: Sequence[Trial]) -> dict[str, Any]:
    """Summarise trials: shares at the limit that 5 % of false pairs pass, and at that of 95 % of own sound."""
    strict, lenient = limit_for(found, "other", 0.05), limit_for(found, "own", 0.95)
    own = [trial for trial in found if trial.kind == "own"]
    offsets = np.array([trial.sync.offset_frames for trial in own])
    weights = np.array([trial.weight for trial in own])
    return {
        "speakers": len({trial.example.speaker for trial in own}),
        **{kind: passed(found, kind, strict)[1] for kind in ("own", "late", "other")},
        "at 5 % false": {"limit": strict}
        | {k: round(passed(found, k, strict)[0], 3) for k in ("own", "late", "other")},
        "at 95 % own": {"limit": lenient} | {k: round(passed(found, k, lenient)[0], 3) for k in ("late", "other")},
        "offset within a frame": round(float(np.average(np.abs(offsets) <= 1, weights=weights)), 3),
        "0.2 s late found within a frame": round(_late_found(found, own), 3),
    }


def _late_found(found: Sequence[Trial], own: Sequence[Trial]) -> float:
    """Return the weighted share of clips whose offset moves by 0.2 s, within a frame, when their sound does."""
    before = {(one.example.clip_id, one.example.backend): one.sync.offset_frames for one in own}
    late = [trial for trial in found if trial.kind == "0.2 s late"]
    moved = [one.sync.offset_frames - before[one.example.clip_id, one.example.backend] - LATE[one.kind] for one in late]
    return float(np.average(np.abs(moved) <= 1, weights=[trial.weight for trial in late]))


def card(examples: Sequence[Example], steps: int, footage: str, summary: dict[str, Any]) -> str:
    """Return the network's card in JSON: what it learned from, how, and its scores on held-out speakers."""
    seconds: Counter[str] = Counter()
    for example in examples:
        seconds[example.backend] += len(example.lips)
    return json.dumps(
        {
            "model": "sync network of heterodub: do these lips and this sound belong together, and at which offset",
            "footage": footage,
            "speakers": len({example.speaker for example in examples}),
            "drawn_speakers": len({one.speaker for one in examples if one.speaker.startswith(DRAWN)}),
            "clips": len(examples),
            "seconds": {backend: round(frames / FPS) for backend, frames in sorted(seconds.items())},
            "steps": steps,
            "held_out": {"folds": FOLDS, **summary},
            "limits": "adult speech of one person in view, in few languages; singing, children and profiles were not "
            "tested; a voice that says the same words at the same time passes",
        },
        indent=1,
    )


def main() -> None:
    """Print the scores on held-out speakers, and write the network trained on all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspaces", nargs="+")
    parser.add_argument("-o", "--output", type=Path, help="folder; without one nothing is written")
    parser.add_argument("--footage", default="", help="whose footage it is, and its licences: for the card")
    parser.add_argument("--trials", type=Path, help="file for every trial, a JSON object a line")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=1, help="processes, a fold each")
    parser.add_argument("--skip", nargs="*", default=[], help="files with one of these in their address are left out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    examples = [
        example
        for place in arguments.workspaces
        for example in load_examples(Workspace.open(place), lambda uri: any(word in uri for word in arguments.skip))
    ]
    with ProcessPoolExecutor(arguments.workers) as pool:
        whole = pool.submit(train, examples, arguments.steps, 0)
        found = [
            trial for fold in pool.map(partial(held_out, examples, arguments.steps), range(FOLDS)) for trial in fold
        ]
        arrays = {name: values.astype(np.float16) for name, values in whole.result().items()}
    chance = chance_spread([trial.curve for trial in found if trial.kind == "other"])
    found = [replace(trial, chance=chance) for trial in found]
    arrays["chance"] = np.array(chance, np.float32)
    summary = {"all": report(found)}
    for backend in sorted({example.backend for example in examples}):
        summary[backend] = report([trial for trial in found if trial.example.backend == backend])
    print(json.dumps(summary, indent=1))
    if arguments.trials is not None:
        lines = [json.dumps({"kind": one.kind, **asdict(one.sync), **one.example.facts}) for one in found]
        arguments.trials.write_text("\n".join(lines))
    if arguments.output is not None:
        np.savez_compressed(arguments.output / WEIGHTS, **arrays)
        text = card(examples, arguments.steps, arguments.footage, summary)
        (arguments.output / WEIGHTS).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
