"""Clips for the rivals: painted faces (tests/model/stage2/faces.py) whose mouths open as loud as their sound is."""

import numpy as np
import torch
from lightning_fabric import Fabric

from model.baselines.batches import TalkBatch, Talker, make_talk_batch, mel_windows
from model.baselines.lesson import RivalLesson, Surroundings
from model.baselines.named import RIVALS
from model.features.face_frame import FaceFrame
from model.stage2.batches import Portrait
from model.training.loop import Verdict
from model.training.plan import Window
from schemas.rivals import RivalName, RivalSettings
from schemas.translation import PictureAugmentation
from tests.model.stage2.faces import SIDE, painted
from tests.model.talking import talk

SETTINGS = RivalSettings(profile="tiny")
PLAIN = PictureAugmentation(mirror=0, light=0)


def talker(seed: int = 0, frames: int = 30, lost=(), side: int = SIDE) -> Talker:
    points, _, mel = talk(frames, seed)
    pictures, landmarks = painted(points, seed, side)
    return Talker(Portrait(pictures, landmarks, ~np.isin(np.arange(frames), lost)), mel_windows(mel, frames))


def batch(augmentation=PLAIN, start: int = 8, seed: int = 1, lost=(), side: int = SIDE) -> TalkBatch:
    clips = [talker(3, lost=lost, side=side), talker(4, lost=lost, side=side)]
    windows = [Window(0, start, 8, seed), Window(1, start, 8, seed + 1)]
    return make_talk_batch(windows, clips, ["a", "b"], 8, augmentation)


def faces() -> np.ndarray:
    found = [talk(20, seed)[0] for seed in range(4)]
    return np.concatenate([FaceFrame.of(one).enter(one) for one in found])


def lesson(name: RivalName, settings: RivalSettings = SETTINGS) -> RivalLesson:
    given = Surroundings(lambda *_: Verdict({"loss": 1.0}), batch(), faces, [])
    torch.set_num_threads(1)
    return RIVALS[name].teach(Fabric(devices=1, accelerator="cpu"), settings, given)
