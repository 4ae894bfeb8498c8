"""Clips for the baselines: drawn faces (tests/model/stage2/faces.py) whose mouths open with the sound level."""

import numpy as np
import torch
from lightning_fabric import Fabric

from heterodub.model.baselines.batches import AVBatch, AVClip, make_av_batch, mel_windows
from heterodub.model.baselines.build import BASELINES
from heterodub.model.baselines.training_module import BaselineTrainingModule, TrainingContext
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.stage2.batches import FaceClip
from heterodub.model.training.module import ValidationResult
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.baselines import BaselineName, BaselineSettings
from heterodub.schemas.config.translation import PictureAugmentation
from tests.model.stage2.faces import SIDE, painted
from tests.model.talking import talk

SETTINGS = BaselineSettings(preset="tiny")
PLAIN = PictureAugmentation(hflip_prob=0, color_jitter=0)


def talker(seed: int = 0, frames: int = 30, lost=(), side: int = SIDE) -> AVClip:
    points, _, mel = talk(frames, seed)
    pictures, landmarks = painted(points, seed, side)
    return AVClip(FaceClip(pictures, landmarks, ~np.isin(np.arange(frames), lost)), mel_windows(mel, frames))


def batch(augmentation=PLAIN, start: int = 8, seed: int = 1, lost=(), side: int = SIDE) -> AVBatch:
    clips = [talker(3, lost=lost, side=side), talker(4, lost=lost, side=side)]
    windows = [Window(0, start, 8, seed), Window(1, start, 8, seed + 1)]
    return make_av_batch(windows, clips, ["a", "b"], 8, augmentation)


def faces() -> np.ndarray:
    result = [talk(20, seed)[0] for seed in range(4)]
    return np.concatenate([FaceFrame.of(one).enter(one) for one in result])


def module(name: BaselineName, settings: BaselineSettings = SETTINGS) -> BaselineTrainingModule:
    given = TrainingContext(lambda *_: ValidationResult({"loss": 1.0}), batch(), faces, [])
    torch.set_num_threads(1)
    return BASELINES[name].training_module(Fabric(devices=1, accelerator="cpu"), settings, given)
