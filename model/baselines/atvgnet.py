"""ATVGnet: Chen, Maddox, Duan and Xu, *Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss*
(CVPR 2019), section 3: speech to landmarks (AT-net), and landmarks to a film of one picture (VG-net).

AT-net: an LSTM over speech and the picture's own landmarks gives principal components of the landmarks of each frame.
VG-net: the difference between the picture's landmarks and a frame's conditions a network that takes the picture; it
outputs a colour for each pixel and an attention, the share of the picture that is replaced. The L1 loss weighs each
pixel by that attention (the dynamic pixel-wise loss), and a discriminator regresses the landmarks as well as
separating real from generated frames. The two nets train on the same batches but not on each other's outputs: VG-net
takes true landmarks, as in the paper.

Simplifications against the paper:
- landmarks are our 216 points, freed of the head's place, size and roll by the face frame (theirs: 68, rotated to the
  front); crops are not aligned by affine maps;
- AT-net predicts a change of the picture's own components, so identity need not be learned; no weight boosts single
  components; speech is encoded by our encoder of 80 mel bands (theirs: MFCC);
- VG-net's colour is a change of the picture's: with an absolute colour, attention learned to replace nothing before
  the colour was useful, and the video stood still;
- VG-net's convolutional recurrent unit is a GRU over the embedding of the landmark differences, which joins a U-Net at
  its smallest maps;
- the discriminator's recurrence over frames is left out: it scores patches of each frame, with the hinge;
- weights of the losses are ours (_BASE, _GAN, _REGRESSION). The head keeps the picture's pose, as in the paper.

Shape suffix legend: N = windows, F = shown frames, L = spoken frames, T = frames, B = N * F, M = 80 mel bands, K = 20
mel columns, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates, Q = components, D = values of an
embedding.
"""

from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.baselines.batches import AVBatch
from heterodub.model.baselines.inference import BaselineInput, BaselineNetwork, in_pieces
from heterodub.model.baselines.layers import AudioEncoder, UNet
from heterodub.model.baselines.lipgan import DISCRIMINATOR, beside_each
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK, BaselineTrainingModule, TrainingContext
from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.stage1.layers import PointEncoder
from heterodub.model.stage2.discriminators import DiscriminatorFeatures, PatchDiscriminator
from heterodub.model.stage2.losses import adversarial_loss, discriminator_loss
from heterodub.schemas.config.baselines import BaselineArchitecture, BaselineSettings
from heterodub.schemas.config.translation import DiscriminatorArchitecture
from heterodub.schemas.contract import LANDMARK_POINTS

_BASE: Final = 0.5
"""beta: weight of pixels that attention leaves alone, beside the attention itself."""
_GAN, _REGRESSION = 0.02, 0.1
"""Weights of the adversarial loss and of the landmarks that the discriminator regresses, beside L1."""

_POINT_CHANNELS: Final = 24
_MOVED: Final = 0.005
"""Typical landmark movement as a share of the crop's side: scales VG-net's condition, which otherwise is too weak
beside the picture.
"""
_REGRESSED_PX: Final = 4
"""Side of the maps from which the discriminator regresses landmarks."""

_DARKEST: Final = 0.02
"""Colours are clamped this far from 0 and 1 before their logit is taken."""


class SpeechToLandmarks(nn.Module):
    """AT-net: maps speech and a face's own landmarks to a change of its principal components, frame by frame."""

    mean: Tensor
    axes: Tensor

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.hearing = AudioEncoder(architecture.embedding_dim)
        self.own = nn.Linear(architecture.components, architecture.embedding_dim)
        self.lstm = nn.LSTM(2 * architecture.embedding_dim, architecture.embedding_dim, batch_first=True)
        self.out = nn.Linear(architecture.embedding_dim, architecture.components)
        self.register_buffer("mean", torch.zeros(2 * LANDMARK_POINTS))
        self.register_buffer("axes", torch.zeros(architecture.components, 2 * LANDMARK_POINTS))
        nn.init.zeros_(self.out.weight)

    def fit_pca(self, faces_nPXY: Floats) -> None:
        """Fit mean and principal axes, each as long as the spread along it, to faces (n, 216, 2) in the face frame.

        They are stored with the weights.
        """
        mean, axes = principal(faces_nPXY, len(self.axes))
        self.mean.copy_(torch.as_tensor(mean))
        self.axes.copy_(torch.as_tensor(axes))

    def forward(self, mel_NLMK: Tensor, rest_NPXY: Tensor) -> Tensor:
        """Map scaled mel windows and the picture's landmarks to landmarks (N, L, 216, 2), all in the face frame."""
        squares = self.axes.square().sum(dim=1).clamp_min(1e-12)
        own_NQ = (rest_NPXY.flatten(1) - self.mean) @ self.axes.T / squares
        rest_NLD = self.own(own_NQ)[:, None].expand(-1, mel_NLMK.shape[1], -1)
        states, _ = self.lstm(torch.cat([self.hearing(mel_NLMK), rest_NLD], dim=-1))
        change: Tensor = self.out(states) @ self.axes
        return rest_NPXY[:, None] + change.reshape(*change.shape[:2], LANDMARK_POINTS, 2)


class LandmarksToPictures(nn.Module):
    """VG-net: generates a run of frames from one picture, its landmarks and those of the frames."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.points = PointEncoder(LANDMARK_POINTS, _POINT_CHANNELS, architecture.embedding_dim)
        for layer in self.points.body:
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # a small movement must come through
        self.recurrent = nn.GRU(architecture.embedding_dim, architecture.embedding_dim, batch_first=True)
        self.body = UNet(3, 4, architecture, architecture.embedding_dim)

    def moved(self, placed_NFPXY: Tensor, known_NPXY: Tensor) -> Tensor:
        """Embed the landmark movement since the picture, (N, F, D). Landmarks as shares of the crop's side."""
        off = self.points(placed_NFPXY - 0.5) - self.points(known_NPXY[:, None] - 0.5)
        states: Tensor = self.recurrent(off / _MOVED)[0]
        return states

    def shade(self, moved_BD: Tensor, known_BCSS: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures (B, 3, S, S) in 0..1 and attention (B, 1, S, S), the share of each pixel that is replaced."""
        output = self.body(known_BCSS * 2 - 1, moved_BD)
        colour = torch.sigmoid(torch.logit(known_BCSS, _DARKEST) + output[:, :3])
        attention = torch.sigmoid(output[:, 3:])
        return attention * colour + (1 - attention) * known_BCSS, attention


class AtvgNet(BaselineNetwork):
    """AT-net and VG-net."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__(architecture)
        self.speech = SpeechToLandmarks(architecture)
        self.pictures = LandmarksToPictures(architecture)

    def forward(
        self, spoken_NLMK: Tensor, rest_NPXY: Tensor, placed_NFPXY: Tensor, known_NPXY: Tensor, known_BCSS: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return landmarks of the spoken frames (N, L, 216, 2), pictures and attention of the shown ones."""
        moved = self.pictures.moved(placed_NFPXY, known_NPXY).flatten(0, 1)
        return self.speech(spoken_NLMK, rest_NPXY), *self.pictures.shade(moved, known_BCSS)

    def generate(self, inputs: BaselineInput) -> Tensor:
        """Animate the reference picture by speech; see BaselineNetwork."""
        frame, device = FaceFrame.of(inputs.known_PXY[None]), inputs.mel_TMK.device

        def floats(values: NDArray[np.float64]) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        spoken = self.speech(inputs.mel_TMK[None], floats(frame.enter(inputs.known_PXY[None])))[0]
        placed = frame.leave(spoken.cpu().double().numpy()) / self.architecture.side_px
        moved = self.pictures.moved(floats(placed)[None], floats(inputs.known_PXY[None] / self.architecture.side_px))

        def piece(moved_TD: Tensor) -> Tensor:
            return self.pictures.shade(moved_TD, inputs.known_CSS.expand(len(moved_TD), -1, -1, -1))[0]

        return in_pieces(piece, moved[0])


class LandmarkDiscriminator(nn.Module):
    """The regression-based discriminator: scores patches and regresses the landmarks of the picture."""

    def __init__(self, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        self.patches = PatchDiscriminator(3, architecture)
        self.find = nn.Linear(self.patches.channels * _REGRESSED_PX**2, 2 * LANDMARK_POINTS)

    def forward(self, pictures_BCSS: Tensor) -> tuple[DiscriminatorFeatures, Tensor]:
        """Return features of pictures in 0..1, and landmarks (B, 216, 2) as shares of the crop's side."""
        features = self.patches(pictures_BCSS * 2 - 1)
        small = functional.adaptive_avg_pool2d(features[-2], _REGRESSED_PX).flatten(1)
        landmarks: Tensor = self.find(small).reshape(-1, LANDMARK_POINTS, 2) + 0.5
        return features, landmarks


class AtvgNetTrainingModule(BaselineTrainingModule):
    """Trains both nets, each by its own loss, and the discriminator."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        super().__init__(fabric, settings, context)
        network = AtvgNet(settings.architecture)
        network.speech.fit_pca(context.faces())
        self.add(TRANSLATOR_NETWORK, network)
        self.add(DISCRIMINATOR, LandmarkDiscriminator(settings.discriminators), settings.disc_learning_rate)

    def training_step(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Train on squared landmark errors, attention-weighted L1 and, from `disc_start_step`, the GAN loss."""
        true, reference, network = (
            batch.shown_NFCSS.flatten(0, 1),
            beside_each(batch),
            self.optimizers[TRANSLATOR_NETWORK].network,
        )
        inputs = (batch.spoken_NLMK, batch.rest_NPXY, batch.placed_NFPXY, batch.known_NPXY, reference)
        spoken, generated, attention = network(*inputs)
        generated, weight = generated.float(), attention.detach().float() + _BASE
        losses = {"landmarks": counted(spoken.float() - batch.face_NLPXY, batch.counts_NL)}
        losses["dynamic_l1"] = ((generated - true).abs() * weight).mean() / weight.mean()
        losses["attention"] = attention.mean()
        losses["total"], totals = losses["landmarks"] + losses["dynamic_l1"], {}
        if step >= self.settings.disc_start_step:
            discriminator, placed = self.optimizers[DISCRIMINATOR].network, batch.placed_NFPXY.flatten(0, 1)
            features, landmarks = self.optimizers[DISCRIMINATOR].frozen_forward(generated)
            losses["gan"], losses["found"] = adversarial_loss([features]), (landmarks - placed).abs().mean()
            losses["total"] = losses["total"] + _GAN * losses["gan"] + _REGRESSION * losses["found"]
            both, landmarks = discriminator(torch.cat([generated.detach(), true]))
            regressed = (landmarks[len(generated) :] - placed).abs().mean()
            losses["discriminator"] = totals[DISCRIMINATOR] = discriminator_loss([both]) + regressed
        self.optimizer_step(step, {TRANSLATOR_NETWORK: losses["total"]} | totals)
        return losses


def counted(off_NLPXY: Tensor, counts_NL: Tensor) -> Tensor:
    """Return the mean square over frames that count, in tenths of the face frame's unit, so about as large as an L1."""
    squares = (10 * off_NLPXY).square().mean(dim=(2, 3))
    return (squares * counts_NL).sum() / counts_NL.sum().clamp_min(1)


def principal(faces_nPXY: Floats, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean (432,) and `count` principal axes (count, 432) of faces (n, 216, 2), each as long as the spread along
    it; with fewer faces than axes, the rest is 0.
    """
    flat: NDArray[Any] = np.asarray(faces_nPXY, np.float64).reshape(len(faces_nPXY), -1)
    mean = flat.mean(axis=0)
    _, spreads, axes = np.linalg.svd(flat - mean, full_matrices=False)
    rank = min(count, len(spreads))
    long = np.zeros((count, flat.shape[1]))
    long[:rank] = axes[:rank] * (spreads[:rank, None] / np.sqrt(len(flat)))
    return mean.astype(np.float32), long.astype(np.float32)
