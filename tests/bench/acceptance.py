"""Measures of acceptance on dubs of real videos, good ones and ones with deliberate faults, and what measuring costs.

    python -m tests.bench.acceptance VIDEO SPEECH [VIDEO SPEECH ...]

Prints a line of JSON for each dub and shot: the fault, the processor seconds of dubbing and of measuring, the measures,
and which limits of the default policy are broken. The generator that ships, and the warp.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.acceptance import load_acceptance_policy
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.builtin.find import builtin_model
from heterodub.tasks.dubbing.dub import plan_dub, render
from heterodub.tasks.dubbing.dub_inputs import open_inputs
from heterodub.tasks.dubbing.jobs import ModelPaths
from heterodub.tasks.dubbing.models import Models, open_models
from heterodub.tasks.evaluation.acceptance import measure
from heterodub.tasks.evaluation.verdict import judge
from heterodub.tasks.faces.backend import LandmarkBackend, open_backend
from tests.tasks.evaluation.broken import FAULTS, faulty

KINDS = ("good", "source_left", "sound_late", "silent", "source_left_in_silence", *FAULTS)


class Idle(WarpTranslator):
    """Leaves the source's mouth as it is."""

    def translate(self, appearance, pictures, source, wanted, path=None):
        return pictures.astype(np.float32) / 255


class Late:
    """A speech whose sound comes a fifth of a second late in the file."""

    def __init__(self, speech: Any) -> None:
        self._speech = speech

    def __getattr__(self, name: str) -> Any:
        return getattr(self._speech, name)

    def sound(self, start: int, count: int) -> np.ndarray:
        shift = self._speech.rate_hz // 5
        lead = min(max(shift - start, 0), count)
        rest = self._speech.sound(max(start - shift, 0), count - lead) if lead < count else np.zeros((1, 0))
        return np.concatenate([np.zeros((self._speech.channels, lead), np.float32), rest], axis=1, dtype=np.float32)


class Silent(Late):
    """A speech without a sound."""

    def samples(self, start: int, count: int) -> np.ndarray:
        return np.zeros(count, np.float32)

    def sound(self, start: int, count: int) -> np.ndarray:
        return np.zeros((self._speech.channels, count), np.float32)


def measured(video: str, speech: str, kind: str, models: Models, backend: LandmarkBackend) -> Iterator[dict[str, Any]]:
    """Dub with a fault, and yield the measures of each shot."""
    settings, policy = Settings(), load_acceptance_policy()
    with tempfile.TemporaryDirectory() as folder:
        job = DubJob(video=video, speech=speech, out=f"{folder}/out.mp4")
        with open_inputs(job, models, backend, settings, None) as inputs:
            began = time.process_time()
            if "silen" in kind:
                inputs = replace(inputs, speech=Silent(inputs.speech))
            plan, rendering = plan_dub(inputs), inputs
            if kind.startswith("source_left"):
                rendering = replace(inputs, models=replace(models, translator=Idle(settings.dub.warp_px)))
            elif kind == "sound_late":
                rendering = replace(inputs, speech=Late(inputs.speech))
            with faulty(FAULTS[kind]) if kind in FAULTS else nullcontext():
                render(rendering, plan, Path(job.out))
            dubbed = time.process_time()
            shots = measure(inputs, plan, Path(job.out))
            spent = {"dub_cpu_s": dubbed - began, "measure_cpu_s": time.process_time() - dubbed}
    for shot in shots:
        broken = [one.measure for one in judge(shot.measures, policy).broken]
        yield {"video": Path(video).name, "kind": kind, **spent, **shot.measures.values, "broken": broken}


def main(paths: list[str]) -> None:
    """Print the measures of every pair of video and speech."""
    settings = Settings()
    backend = open_backend(settings)
    generator, name = builtin_model("landmark-generator")
    models = open_models(ModelPaths(generator, None, (name, "warp")), settings, backend)
    for video, speech in zip(paths[::2], paths[1::2], strict=True):
        for kind in KINDS:
            for row in measured(video, speech, kind, models, backend):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
