"""Who stands in Table 1: one list, one entry each. A rival is an entry here and a kind of training in jobs.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.comparison.systems import Copy, System, TrueLandmarks, Truth, TwoStage
from model.stage1.files import load_generator
from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from model.stage2.warp import WarpTranslator
from tasks.paper.jobs import GENERATOR, TRANSLATOR, Job

Models = Mapping[Job, Path]
"""Folders of trained models."""

GENERATES, TRANSLATES = Job(GENERATOR), Job(TRANSLATOR)


@dataclass(frozen=True, slots=True)
class Contender:
    """A row. needs: trainings. opened: the system, from their models and the side of the crops in pixels. deaf: it
    takes the mouth from the truth, so that with another's sound it has nothing to say.
    """

    name: str
    needs: tuple[Job, ...]
    opened: Callable[[Models, int], System]
    deaf: bool = False


def two_stage(generator: Path, translator: Path) -> TwoStage:
    """Ours, from two folders.

    Raises: ModelFileError - a model cannot be read.
    """
    heard, card = load_generator(generator)
    return TwoStage(heard, card.gain, PainterTranslator(load_translator(translator)[0]))


def true_landmarks(translator: Path) -> TrueLandmarks:
    """A translator in a folder, told the truth.

    Raises: ModelFileError - it cannot be read.
    """
    return TrueLandmarks(PainterTranslator(load_translator(translator)[0]))


def _warped(models: Models, side_px: int) -> System:
    generator, card = load_generator(models[GENERATES])
    return TwoStage(generator, card.gain, WarpTranslator(side_px))


CONTENDERS: Final[tuple[Contender, ...]] = (
    Contender("ours", (GENERATES, TRANSLATES), lambda made, _: two_stage(made[GENERATES], made[TRANSLATES])),
    Contender("ours, untrained warp for stage 2", (GENERATES,), _warped),
    Contender(
        "true landmarks, ours for stage 2", (TRANSLATES,), lambda made, _: true_landmarks(made[TRANSLATES]), True
    ),
    Contender("true landmarks, untrained warp", (), lambda _, side_px: TrueLandmarks(WarpTranslator(side_px)), True),
    Contender("copy of one frame", (), lambda *_: Copy()),
    Contender("truth", (), lambda *_: Truth(), True),
)
