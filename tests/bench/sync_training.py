"""Training of the sync network (heterodub.tasks.quality.sync_network) in torch; fit_av_sync.py is its command.

A window of lips must find its own sound among the same clip's other moments and among other speakers' sound (InfoNCE,
van den Oord et al., 2018). The logit of a window is the sum over its frames, so that the network learns how much each
frame says. Recorders put sound some frames off: positives are loose at first, and later lie where the network itself
finds each clip's offset, less the median of all.

Shape suffix legend: T = frames, S = 4 T mel columns, C = channels, B = clips of a batch, W = frames of a window,
E = embedding, K = places of the window in a sound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.features.arrays import Array
from heterodub.tasks.quality.av_sync import FitCurve, chance_spread, evaluate_curve, fit_curve
from heterodub.tasks.quality.sound_shift import CORRECTABLE_FRAMES
from heterodub.tasks.quality.sync_network import (
    LIP_CHANNELS,
    LIP_STRIDES,
    POINTS,
    SOUND_CHANNELS,
    SOUND_STRIDES,
    Matrix,
    SyncNetwork,
)

WIDTH: Final = 48
EMBEDDING: Final = 24
DROPOUT: Final = 0.1

BATCH: Final = 16
MOST_FRAMES: Final = 80
WINDOWS: Final = (25, 55)
LEARNING_RATE: Final = 3e-3

LOOSE_SHARE: Final = 0.3
LOOSE_FRAMES: Final = 4
NEAR_FRAMES: Final = 1
"""Positives lie within so many frames of a clip's offset: 4 for the first 0.3 of the steps, then 1."""

IGNORED_FRAMES: Final = 3
"""Nearer places than this are no negatives either."""

_MOST_S: Final = 12.0
"""A speaker with more footage is drawn as often as one with this much."""


@dataclass(slots=True, eq=False)
class Example:
    """One clip: lips (T, C), sound (4T, C), and the frames by which its sound is late, as far as is known."""

    clip_id: str
    speaker: str
    backend: str
    lips: Matrix
    sound: Matrix
    facts: dict[str, Any] = field(default_factory=dict)
    offset: int = 0

    def curve(self, network: SyncNetwork) -> FitCurve:
        """Hold the clip's lips against its own sound."""
        return fit_curve(network.embed_sound(self.sound), network.embed_lips(self.lips), self.lips.any(axis=1))


class _ChannelNorm(nn.LayerNorm):
    def forward(self, values_BCT: Tensor) -> Tensor:
        return super().forward(values_BCT.transpose(1, 2)).transpose(1, 2)


def _encoder(channels: int, widths: Sequence[int], strides: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (width, stride) in enumerate(zip(widths, strides, strict=True)):
        is_last = number == len(strides) - 1
        layers += [nn.Dropout(DROPOUT), nn.Conv1d(channels, EMBEDDING if is_last else WIDTH, width, stride, width // 2)]
        layers += [] if is_last else [_ChannelNorm(WIDTH), nn.ReLU()]
        channels = WIDTH
    return nn.Sequential(*layers)


class TorchSyncNetwork(nn.Module):
    """The network with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.lips = _encoder(LIP_CHANNELS, (5, 5, 3), LIP_STRIDES)
        self.sound = _encoder(SOUND_CHANNELS, (5, 5, 5, 3), SOUND_STRIDES)
        self.log_scale = nn.Parameter(torch.tensor(-0.5))

    def forward(self, lips_BTC: Tensor, sound_BSC: Tensor) -> tuple[Tensor, Tensor]:
        """Embed both: (B, E, T) each."""
        seen, heard = self.lips(lips_BTC.transpose(1, 2)), self.sound(sound_BSC.transpose(1, 2))
        return _bounded(seen), _bounded(heard) * self.log_scale.exp()  # the scale of the logits, in training alone

    def arrays(self) -> dict[str, Array]:
        """Return the weights as SyncNetwork takes them."""
        arrays: dict[str, Array] = {}
        for side, encoder in (("lips", self.lips), ("sound", self.sound)):
            convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv1d)]
            norms = [layer for layer in encoder if isinstance(layer, nn.LayerNorm)]
            for number, convolution in enumerate(convolutions):
                weights_DCW = convolution.weight.detach().numpy()
                arrays[f"{side}.{number}.weights"] = weights_DCW.transpose(2, 1, 0).reshape(-1, len(weights_DCW))
                arrays[f"{side}.{number}.bias"] = convolution.bias.detach().numpy()  # type: ignore[union-attr]
            for number, norm in enumerate(norms):
                arrays[f"{side}.{number}.norm"] = torch.stack([norm.weight, norm.bias]).detach().numpy()
        return arrays


def _bounded(values_BET: Tensor) -> Tensor:
    return values_BET / torch.sqrt(1 + (values_BET**2).sum(1, keepdim=True))


def train(examples: Sequence[Example], steps: int, seed: int) -> dict[str, Array]:
    """Train a network on clips, whose offsets are set to what it finds on the way; return its weights."""
    draw = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = TorchSyncNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    speakers = _by_speaker(examples)
    for example in examples:
        example.offset = 0
    network.train()
    for step in range(steps):
        if step in (round(LOOSE_SHARE * steps), round(2 * LOOSE_SHARE * steps)):
            align(examples, SyncNetwork.of(network.arrays()))
        batch = _batch(speakers, draw)
        loss = _loss(network, batch, LOOSE_FRAMES if step < LOOSE_SHARE * steps else NEAR_FRAMES)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.arrays()


_WELL_MEASURED: Final = 4.0


def align(examples: Sequence[Example], network: SyncNetwork) -> None:
    """Set each clip's offset to where the network finds it, less the median; 0 where it is not well measured."""
    found = {}
    curves = [example.curve(network) for example in examples]
    chance = chance_spread(curves)
    for number, curve in enumerate(curves):
        sync = evaluate_curve(curve, chance, None)
        if sync.score >= _WELL_MEASURED and abs(sync.offset_frames) <= CORRECTABLE_FRAMES:
            found[number] = sync.offset_frames
    middle = round(float(np.median(list(found.values())))) if found else 0
    for number, example in enumerate(examples):
        example.offset = found.get(number, middle) - middle


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """lips_BTC, sound_BSC: zeros behind each clip's end. frames_B: their lengths. first_B: first frame of the window of
    lips. same_BB: True where two clips are of one speaker.
    """

    lips_BTC: Tensor
    sound_BSC: Tensor
    frames_B: NDArray[np.int64]
    first_B: NDArray[np.int64]
    window: int
    same_BB: NDArray[np.bool_]


Speakers = tuple[list[list[Example]], Array]


def _by_speaker(examples: Sequence[Example]) -> Speakers:
    clips: dict[str, list[Example]] = {}
    for example in examples:
        clips.setdefault(example.speaker, []).append(example)
    seconds = np.array([sum(len(example.lips) for example in clips[speaker]) / 25 for speaker in sorted(clips)])
    weights = np.sqrt(np.minimum(seconds, _MOST_S))
    return [clips[speaker] for speaker in sorted(clips)], weights / weights.sum()


def _batch(speakers: Speakers, draw: np.random.Generator) -> _Batch:
    window = int(draw.integers(*WINDOWS, endpoint=True))
    lips = np.zeros((BATCH, MOST_FRAMES, LIP_CHANNELS), np.float32)
    sound = np.zeros((BATCH, 4 * MOST_FRAMES, SOUND_CHANNELS), np.float32)
    frames, first, drawn = np.zeros(BATCH, np.int64), np.zeros(BATCH, np.int64), []
    for place in range(BATCH):
        seen, heard, speaker = _drawn(speakers, window, draw)
        count = min(len(seen), MOST_FRAMES)
        start = int(draw.integers(len(seen) - count + 1))
        lips[place, :count], sound[place, : 4 * count] = seen[start:][:count], heard[4 * start :][: 4 * count]
        frames[place], first[place] = count, draw.integers(count - window + 1)
        drawn.append(speaker)
    same = np.array(drawn)[:, None] == np.array(drawn)[None]
    return _Batch(torch.from_numpy(lips), torch.from_numpy(sound), frames, first, window, same)


def _drawn(speakers: Speakers, window: int, draw: np.random.Generator) -> tuple[Matrix, Matrix, int]:
    """Draw an augmented clip that is long enough, in sync, and the number of its speaker."""
    while True:
        number = int(draw.choice(len(speakers[0]), p=speakers[1]))
        clips = speakers[0][number]
        example = clips[draw.integers(len(clips))]
        late = example.offset
        seen, heard = example.lips[max(0, -late) :], example.sound[4 * max(0, late) :]
        frames = min(len(seen), len(heard) // 4)
        seen, heard = augmented(seen[:frames], heard[: 4 * frames], draw)
        if len(seen) >= window + 2 * IGNORED_FRAMES:
            return seen, heard, number


def _loss(network: TorchSyncNetwork, batch: _Batch, near: int) -> Tensor:
    """Return half the loss among all sounds, half among the clip's own moments, a scalar."""
    lips_BET, sound_BET = network(batch.lips_BTC, batch.sound_BSC)
    windows = torch.stack([lips_BET[b, :, at : at + batch.window] for b, at in enumerate(batch.first_B.tolist())])
    logits_BBK = functional.conv1d(sound_BET, windows).transpose(0, 1)  # window, sound, place
    places = np.arange(logits_BBK.shape[2])
    inside_BK = places[None] <= (batch.frames_B - batch.window)[:, None]
    apart_BK = np.abs(places[None] - batch.first_B[:, None])
    own_BB = np.eye(BATCH, dtype=bool)
    positive = torch.from_numpy(own_BB[:, :, None] & (inside_BK & (apart_BK <= near))[:, None])
    negative = torch.from_numpy(
        (own_BB[:, :, None] & (inside_BK & (apart_BK >= max(near + 1, IGNORED_FRAMES)))[:, None])
        | (~batch.same_BB[:, :, None] & inside_BK[None])
    )
    own = torch.from_numpy(own_BB)[:, :, None]
    true_B = _summed(logits_BBK, positive)
    everywhere_B, within_B = _summed(logits_BBK, positive | negative), _summed(logits_BBK, (positive | negative) & own)
    return ((everywhere_B - true_B) + (within_B - true_B)).mean() / 2


def _summed(logits_BBK: Tensor, mask: Tensor) -> Tensor:
    return torch.logsumexp(logits_BBK.masked_fill(~mask, -torch.inf).flatten(1), 1)


def augmented(lips: Matrix, sound: Matrix, draw: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Vary a clip without moving lips against sound: speed, mirror, turn of the head, pitch, noise, lost bands."""
    if draw.random() < 0.7:
        frames = int(len(lips) * draw.uniform(0.85, 1.18))
        lips, sound = _stretched(lips, frames), _stretched(sound, 4 * frames)
    points = lips.reshape(len(lips), 2, POINTS, 2).copy()
    if draw.random() < 0.5:
        points = points[:, :, MIRRORED_LIPS] * np.array([-1, 1], np.float32)
    across, tilt, slant = draw.uniform(0.7, 1.2), draw.normal(0, 0.15), draw.normal(0, 0.15)
    points = points @ np.array([[across, tilt], [slant, 1]], np.float32)
    lips = points.reshape(len(lips), -1) * math.exp(draw.normal(0, 0.15))
    lips = lips + draw.normal(0, draw.choice([0.05, 0.2, 0.4]), lips.shape)
    bands = np.arange(SOUND_CHANNELS)
    sound = sound[:, np.clip(bands + draw.integers(-2, 3), 0, SOUND_CHANNELS - 1)] * math.exp(draw.normal(0, 0.1))
    sound = sound + draw.normal(0, draw.choice([0.1, 0.3, 0.6]), sound.shape)
    if draw.random() < 0.5:
        lowest = int(draw.integers(SOUND_CHANNELS - 4))
        sound[:, lowest : lowest + int(draw.integers(1, 5))] = 0
    if draw.random() < 0.4:
        sound = np.maximum(sound, np.quantile(sound, draw.uniform(0, 0.4)))
    return lips.astype(np.float32), sound.astype(np.float32)


def _mirrored() -> NDArray[np.int64]:
    each = (POINTS - 1) // 4
    order = np.concatenate([np.arange(each)[::-1] + boundary * each for boundary in range(4)])
    return np.append(order, POINTS - 1)


MIRRORED_LIPS: Final = _mirrored()


def _stretched(values: Matrix, count: int) -> Matrix:
    at = np.linspace(0, len(values) - 1, count)
    low = np.minimum(at.astype(np.int64), len(values) - 2)
    share = (at - low)[:, None].astype(np.float32)
    return values[low] * (1 - share) + values[low + 1] * share
