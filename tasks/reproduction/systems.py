"""Systems of Table 1: one entry each; the kinds of training they need are in jobs.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from model.evaluation.systems import BaselineSystem, Copy, GroundTruth, System, TrueLandmarks, TwoStage
from model.io import load_baseline, load_generator, load_translator
from model.stage2.inference import TranslatorInference
from model.stage2.warp import WarpTranslator
from schemas.config.baselines import BaselineName
from tasks.reproduction.jobs import GENERATOR, TRANSLATOR, TrainingJob
from tasks.reproduction.judged import Entry

Models = Mapping[TrainingJob, Path]
"""Folders of trained models."""

GENERATES, TRANSLATES = TrainingJob(GENERATOR), TrainingJob(TRANSLATOR)


@dataclass(frozen=True, slots=True)
class ComparedSystem:
    """A row of the table. needs: its trainings. entry: makes the system from their models and the crops' side in
    pixels. ignores_sound: True if it takes the mouth from the ground truth and ignores the sound.
    """

    name: str
    needs: tuple[TrainingJob, ...]
    entry: Callable[[Models, int], Entry]
    ignores_sound: bool = False


def two_stage(generator: Path, translator: Path) -> Entry:
    """Return our system from the folders of its two models."""

    def opened(device: torch.device) -> System:
        network, card = load_generator(generator, device)
        return TwoStage(network, card.gain, TranslatorInference(load_translator(translator, device)[0]))

    return Entry("two stages", (generator, translator), opened)


def true_landmarks(translator: Path) -> Entry:
    """Return a translator in a folder with ground-truth landmarks."""

    def opened(device: torch.device) -> System:
        return TrueLandmarks(TranslatorInference(load_translator(translator, device)[0]))

    return Entry("true landmarks", (translator,), opened)


def _baseline(row: str, name: BaselineName) -> ComparedSystem:
    job = TrainingJob(name)

    def entry(made: Models, _: int) -> Entry:
        folder = made[job]
        return Entry(name, (folder,), lambda device: BaselineSystem(load_baseline(folder, device)[0]))

    return ComparedSystem(row, (job,), entry)


def _warped(generator: Path, side_px: int) -> Entry:
    def opened(device: torch.device) -> System:
        network, card = load_generator(generator, device)
        return TwoStage(network, card.gain, WarpTranslator(side_px))

    return Entry("generator and warp", (generator,), opened)


def _true_warped(side_px: int) -> Entry:
    return Entry("true landmarks, warp", (), lambda _: TrueLandmarks(WarpTranslator(side_px)))


SYSTEMS: Final[tuple[ComparedSystem, ...]] = (
    ComparedSystem("ours", (GENERATES, TRANSLATES), lambda made, _: two_stage(made[GENERATES], made[TRANSLATES])),
    _baseline("LipGAN", "lipgan"),
    _baseline("Wav2Lip", "wav2lip"),
    _baseline("ATVGnet", "atvgnet"),
    _baseline("MakeItTalk", "makeittalk"),
    ComparedSystem("ours, untrained warp for stage 2", (GENERATES,), lambda made, side: _warped(made[GENERATES], side)),
    ComparedSystem(
        "true landmarks, ours for stage 2", (TRANSLATES,), lambda made, _: true_landmarks(made[TRANSLATES]), True
    ),
    ComparedSystem("true landmarks, untrained warp", (), lambda _, side: _true_warped(side), True),
    ComparedSystem("copy of one frame", (), lambda *_: Entry("copy", (), lambda _: Copy())),
    ComparedSystem("truth", (), lambda *_: Entry("truth", (), lambda _: GroundTruth()), True),
)
