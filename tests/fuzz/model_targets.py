"""Targets that are models: their folders, the arrays that they predict from, and checkpoints."""

import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from heterodub.model.checksums import verify_checksums, write_checksums
from heterodub.model.io import load_baseline, load_discriminators, load_generator, load_translator, save_model
from heterodub.model.stage1.inference import predict_clip
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.training import Stage1Settings
from heterodub.tasks.tracking.kinds import baseline_example, generator_example, translator_example
from tests.fuzz.target import OWN, FuzzTarget, text
from tests.model.baselines import test_files as baselines
from tests.model.stage2 import test_files as translators
from tests.model.training.test_trainer import SquareRootModule, fitted


def _inputs(take: Callable[[dict[str, Any]], object], example: dict[str, Any]) -> Callable[[Path], object]:
    """Takes arrays that differ from the example as the damaged file says: it is the draw's only source."""

    def taken(folder: Path) -> object:
        chance = random.Random((folder / "draw").read_bytes())
        given = {name: np.array(values) for name, values in example.items()}
        for name in chance.sample(sorted(given), chance.choice((1, 1, 2))):
            given[name] = _other(given[name], chance)
        return take(given)

    return taken


def _other(values: np.ndarray, chance: random.Random) -> np.ndarray:
    change = chance.randrange(7)
    if change == 0:
        return values[: chance.randrange(len(values))]
    if change == 1:
        return values[..., : chance.randrange(values.shape[-1])]
    if change == 2:
        return values.astype(chance.choice((np.float64, np.int64, np.complex64, np.bool_, object, "U8")))
    if change == 3:
        return values.reshape(-1) if chance.random() < 0.5 else values[None]
    if change == 4:
        return np.zeros_like(values)
    other = values.astype(np.float64)
    other.reshape(-1)[chance.randrange(other.size)] = chance.choice((np.nan, np.inf, -np.inf, 1e30, -1e308))
    return other if change == 5 else other.astype(values.dtype)


def _checkpoint(folder: Path) -> None:
    _train(folder, 2)
    (folder / "draw").write_text("draw")


def _resume(folder: Path) -> None:
    """Resumes from a checkpoint with one other value: damaged bytes alone end at the archive's check sums."""
    state = torch.load(folder / "last.pt", weights_only=True)
    _change(state, random.Random((folder / "draw").read_bytes()))
    torch.save(state, folder / "last.pt")
    _train(folder, 3)


def _change(values: dict[Any, Any], chance: random.Random) -> None:
    key = chance.choice(sorted(values, key=str))
    inner = values[key]
    if isinstance(inner, dict) and inner and chance.random() < 0.8:
        return _change(inner, chance)
    others = (None, -1, 0, 1 << 70, math.nan, "x", b"x", [], {}, True, torch.zeros(2), torch.full((3,), torch.nan))
    if chance.random() < 0.2:
        del values[key]
    else:
        values[key] = chance.choice(others)
    return None


def _train(folder: Path, steps: int) -> None:
    """A training of that many steps, which resumes from the checkpoint in the folder."""
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(0)
    fitted(fabric, SquareRootModule(fabric, [3.0, 2.0, 1.0]), folder, steps=steps)


def _save_generator(folder: Path) -> None:
    shape = Stage1Settings(preset="tiny").architecture
    card = GeneratorCard(architecture=shape, backend="face_mesh_v1", release="r0", seed=0, steps=7)
    save_model(folder, LandmarkGenerator(shape), card)


def model_targets(scratch: Path) -> dict[str, FuzzTarget]:
    """Folders and inputs of each kind of model."""
    if not (scratch / "generator").exists():
        _save_generator(scratch / "generator")
        translators.saved(scratch / "translator")
        baselines.saved(scratch / "baseline")
        for name in ("generator", "translator", "baseline"):
            write_checksums(scratch / name)
    generator, card = load_generator(scratch / "generator")
    translator = TranslatorInference(load_translator(scratch / "translator")[0])
    baseline, baseline_card = load_baseline(scratch / "baseline")

    def copy(name: str) -> Callable[[Path], object]:
        return lambda folder: shutil.copytree(scratch / name, folder, dirs_exist_ok=True)

    def paint(given: dict[str, Any]) -> object:
        known = translator.appearance(given["reference_pictures"], given["reference_landmarks"])
        return translator.translate(known, given["pictures"], given["source"], given["wanted"])

    def baseline_paint(given: dict[str, Any]) -> object:
        return baseline.generate(
            *(given[one] for one in ("pictures", "mel", "reference_pictures", "reference_landmarks"))
        )

    draw, refusals = text("draw", "draw"), (*OWN, ValueError)
    return {
        "generator": FuzzTarget(copy("generator"), load_generator),
        "translator": FuzzTarget(
            copy("translator"), lambda folder: (load_translator(folder), load_discriminators(folder))
        ),
        "baseline": FuzzTarget(copy("baseline"), load_baseline),
        "checkpoint": FuzzTarget(_checkpoint, _resume, draws=True),
        "checkpoint's bytes": FuzzTarget(lambda folder: _train(folder, 2), lambda folder: _train(folder, 3), "last.pt"),
        "seal": FuzzTarget(copy("generator"), verify_checksums),
        "inputs of the generator": FuzzTarget(
            draw,
            _inputs(lambda given: predict_clip(generator, **given, gain=card.gain), dict(generator_example())),
            raises=refusals,
            draws=True,
        ),
        "inputs of the translator": FuzzTarget(
            draw, _inputs(paint, translator_example(64)), raises=refusals, draws=True
        ),
        "inputs of a baseline": FuzzTarget(
            draw,
            _inputs(baseline_paint, baseline_example(baseline_card.architecture.side_px)),
            raises=refusals,
            draws=True,
        ),
    }
