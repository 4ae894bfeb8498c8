"""MakeItTalk: Zhou, Han, Shechtman, Echevarria, Kalogerakis and Li, *MakeItTalk: Speaker-Aware Talking-Head
Animation* (SIGGRAPH Asia 2020), sections 3 to 5: speech content moves lips and jaw, speaker identity moves the whole
head, and a U-Net generates a portrait with the landmarks so moved.

Content animation (3.1): an LSTM over the speech content, and the portrait's landmarks, give displacements of lips and
outline. Speaker-aware animation (3.2): an LSTM, then self-attention, over the same speech and an embedding of the
speaker give displacements of all points, head movement included, against a discriminator of landmark sequences. Both
are trained on squared errors of places and of graph Laplacians (4.1). Translation (3.3): portrait and drawn landmarks
to the picture, by L1 and a perceptual loss (4.2). The three parts train on the same batches but not on each other's
outputs, as in the paper.

**Replacement of AutoVC.** The paper takes its content embedding from a voice-conversion network and its speaker
embedding from a speaker-verification network; neither has weights here. The first is replaced by the mel of the
stretch with each band's mean taken out, which removes loudness and much of the timbre, and an encoder trained along;
the second by mean and spread of each band over the stretch. So speakers differ only by timbre and room.

Further simplifications against the paper:
- landmarks are our 216 points in the plane (theirs: 68 in space, so heads turn there and shear here);
- the LSTMs look both ways along the stretch (theirs: ahead by 18 frames); attention reaches 12 frames either way (256);
- content displaces the 100 points that our stage 1 predicts, too; the speaker's part all 216 in the portrait's face
  frame;
- the discriminator of sequences is an LSTM with the hinge (theirs: self-attention, least squares), the same for all;
- the U-Net sees landmarks as lines, a channel to a boundary, and is trained with true ones; the perceptual loss is
  EfficientNet-Lite0's unless VGG-19's weights are there and asked for.

Shape suffix legend: N = windows, F = shown frames, L = spoken frames, T = frames, B = N * F, M = 80 mel bands, K = 20
mel columns, S = side of a crop in pixels, P = 216 points, Q = 100 of them, XY = 2 coordinates, D = values of an
embedding.
"""

from typing import Final

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from heterodub.model.baselines.atvgnet import counted
from heterodub.model.baselines.batches import AVBatch
from heterodub.model.baselines.inference import BaselineInput, BaselineNetwork, in_pieces
from heterodub.model.baselines.layers import AudioEncoder, UNet
from heterodub.model.baselines.lipgan import DISCRIMINATOR, beside_each
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK, BaselineTrainingModule, TrainingContext
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import PREDICTED, SLICES
from heterodub.model.stage2.composite import LINES, lines
from heterodub.model.stage2.losses import adversarial_loss, discriminator_loss
from heterodub.model.training.module import on_device
from heterodub.schemas.config.baselines import BaselineArchitecture, BaselineSettings
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS

_LAPLACIAN: Final = 1.0
"""lambda_c and lambda_s: weight of graph Laplacians, as in the paper."""
_GAN: Final = 0.01
"""Weight of the sequence discriminator's adversarial loss."""

_SCALE: Final = 0.1
"""Unit of displacements, in units of the face frame."""

_REACH: Final = 12
"""Frames to either side that attention covers."""
_HEADS: Final = 4

_INNER: Final = np.concatenate([np.arange(part.start + 1, part.stop - 1) for part in SLICES.values()])
"""Points with a neighbour on both sides along their boundary."""


class ContentAnimation(nn.Module):
    """Maps speech content and a face's landmarks to displacements of lips and outline."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.hearing = AudioEncoder(architecture.embedding_dim)
        self.lstm = nn.LSTM(
            architecture.embedding_dim, architecture.embedding_dim // 2, batch_first=True, bidirectional=True
        )
        self.out = _displacing(architecture.embedding_dim, len(PREDICTED))

    def forward(self, content_NLMK: Tensor, rest_NPXY: Tensor) -> Tensor:
        """Return displacements (N, L, 100, 2) in the face frame."""
        states, _ = self.lstm(self.hearing(content_NLMK))
        change: Tensor = self.out(_with(states, rest_NPXY))
        return _SCALE * change.reshape(*change.shape[:2], len(PREDICTED), 2)


class SpeakerAnimation(nn.Module):
    """Maps speech content, speaker and a face's landmarks to displacements of all points, head movement included."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.hearing = AudioEncoder(architecture.embedding_dim)
        self.lstm = nn.LSTM(
            architecture.embedding_dim, architecture.embedding_dim // 2, batch_first=True, bidirectional=True
        )
        self.who = nn.Linear(2 * MEL_BANDS, architecture.embedding_dim)
        self.attention = nn.TransformerEncoderLayer(
            architecture.embedding_dim,
            _HEADS,
            2 * architecture.embedding_dim,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.out = _displacing(architecture.embedding_dim, LANDMARK_POINTS)

    def forward(self, content_NLMK: Tensor, voice_NV: Tensor, rest_NPXY: Tensor) -> Tensor:
        """Return displacements (N, L, 216, 2) in the reference's face frame."""
        states, _ = self.lstm(self.hearing(content_NLMK))
        at = torch.arange(states.shape[1], device=states.device)
        far = (at[:, None] - at[None, :]).abs() > _REACH
        attended = self.attention(states + self.who(voice_NV)[:, None], src_mask=far)
        change: Tensor = self.out(_with(attended, rest_NPXY))
        return _SCALE * change.reshape(*change.shape[:2], LANDMARK_POINTS, 2)


def _displacing(vector: int, points: int) -> nn.Sequential:
    """Build the layers from a state and the landmarks at rest to displacements, which are initially zero."""
    last = nn.Linear(vector, 2 * points)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(vector + 2 * LANDMARK_POINTS, vector), nn.LeakyReLU(0.2), last)


def _with(states_NLD: Tensor, rest_NPXY: Tensor) -> Tensor:
    """Concatenate the landmarks at rest to each frame's state."""
    return torch.cat([states_NLD, rest_NPXY.flatten(1)[:, None].expand(-1, states_NLD.shape[1], -1)], dim=-1)


class MakeItTalk(BaselineNetwork):
    """Content animation, speaker-aware animation and image translation."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__(architecture)
        self.content = ContentAnimation(architecture)
        self.speaker = SpeakerAnimation(architecture)
        self.translation = UNet(3 + LINES, 3, architecture)

    def forward(
        self, spoken_NLMK: Tensor, rest_NPXY: Tensor, known_BCSS: Tensor, lines_BCSS: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return displacements by content and by speaker, and pictures (B, 3, S, S) in 0..1."""
        content, voice = said_and_voice(spoken_NLMK)
        by_content, by_speaker = self.content(content, rest_NPXY), self.speaker(content, voice, rest_NPXY)
        return by_content, by_speaker, self.translate(known_BCSS, lines_BCSS)

    def translate(self, known_BCSS: Tensor, lines_BCSS: Tensor) -> Tensor:
        """Map portraits in 0..1 and drawn landmarks to pictures (B, 3, S, S) in 0..1."""
        return torch.sigmoid(self.translation(torch.cat([known_BCSS * 2 - 1, lines_BCSS], dim=1)))

    def generate(self, inputs: BaselineInput) -> Tensor:
        """Animate the reference picture by speech; see BaselineNetwork."""
        frame = FaceFrame.of(inputs.known_PXY[None])
        rest = torch.as_tensor(frame.enter(inputs.known_PXY[None]), dtype=torch.float32, device=inputs.mel_TMK.device)
        content, voice = said_and_voice(inputs.mel_TMK[None])
        displaced = at_rest(rest, self.content(content, rest)) + self.speaker(content, voice, rest)
        wanted = torch.as_tensor(frame.leave(displaced[0].cpu().double().numpy()), dtype=torch.float32)
        line_maps = lines(wanted.to(rest.device), self.architecture.side_px)

        def piece(lines_TCSS: Tensor) -> Tensor:
            return self.translate(inputs.known_CSS.expand(len(lines_TCSS), -1, -1, -1), lines_TCSS)

        return in_pieces(piece, line_maps)


class SequenceDiscriminator(nn.Module):
    """Discriminator of landmark movement: a score for each frame of a sequence."""

    def __init__(self, vector: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2 * LANDMARK_POINTS, vector // 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(vector, 1)

    def forward(self, displaced_NLPXY: Tensor) -> Tensor:
        """Score displacements from the reference: (N, L, 216, 2) -> (N, L, 1)."""
        scores: Tensor = self.out(self.lstm(displaced_NLPXY.flatten(2) / _SCALE)[0])
        return scores


class MakeItTalkTrainingModule(BaselineTrainingModule):
    """Trains the three parts, each by its own loss, and the discriminator of sequences."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        super().__init__(fabric, settings, context)
        self.add(TRANSLATOR_NETWORK, MakeItTalk(settings.architecture))
        self.add(DISCRIMINATOR, SequenceDiscriminator(settings.architecture.embedding_dim), settings.disc_learning_rate)
        self._features = on_device(context.perception, fabric.device)

    def training_step(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Train on landmark, Laplacian, L1 and perceptual losses and, from `disc_start_step`, the GAN loss."""
        true, rest, network = (
            batch.shown_NFCSS.flatten(0, 1),
            batch.rest_NPXY,
            self.optimizers[TRANSLATOR_NETWORK].network,
        )
        sketched = self._sketched(batch)
        by_content, by_speaker, generated = network(batch.spoken_NLMK, rest, beside_each(batch), sketched)
        spoken, generated = at_rest(rest, by_content.float()), generated.float()
        led = spoken.detach() + by_speaker.float()
        losses = {
            "content": placed(spoken, batch.face_NLPXY, batch.counts_NL),
            "speaker": placed(led, batch.led_NLPXY, batch.counts_NL),
            "l1": (generated - true).abs().mean(),
        }
        if self._features:
            losses["perceptual"] = self.perceptual_loss(self._features, generated, true)
        losses["total"], totals = torch.stack(list(losses.values())).sum(), {}
        if step >= self.settings.disc_start_step:
            discriminator = self.optimizers[DISCRIMINATOR].network
            moved, true_moved = led - rest[:, None], batch.led_NLPXY - rest[:, None]
            losses["gan"] = adversarial_loss([[self.optimizers[DISCRIMINATOR].frozen_forward(moved)]])
            losses["total"] = losses["total"] + _GAN * losses["gan"]
            both = discriminator(torch.cat([moved.detach(), true_moved]))
            losses["discriminator"] = totals[DISCRIMINATOR] = discriminator_loss([[both]])
        self.optimizer_step(step, {TRANSLATOR_NETWORK: losses["total"]} | totals)
        return losses

    def _sketched(self, batch: AVBatch) -> Tensor:
        """Draw the true landmarks of the shown frames as lines, (B, LINES, S, S)."""
        side = self.settings.architecture.side_px
        return lines(batch.placed_NFPXY.flatten(0, 1) * side, side)


def said_and_voice(mel_NLMK: Tensor) -> tuple[Tensor, Tensor]:
    """Split mel windows into content, less each band's mean over the stretch (N, L, 80, 20), and voice, mean and spread
    of each band (N, 160).
    """
    mean, spread = mel_NLMK.mean(dim=(1, 3)), mel_NLMK.std(dim=(1, 3))
    return mel_NLMK - mean[:, None, :, None], torch.cat([mean, spread], dim=1)


def at_rest(rest_NPXY: Tensor, said_NLQXY: Tensor) -> Tensor:
    """Displace lips and outline of the landmarks at rest: (N, L, 216, 2)."""
    change = said_NLQXY.new_zeros(*said_NLQXY.shape[:2], LANDMARK_POINTS, 2)
    return rest_NPXY[:, None] + change.index_copy(2, torch.as_tensor(PREDICTED, device=change.device), said_NLQXY)


def placed(generated_NLPXY: Tensor, true_NLPXY: Tensor, counts_NL: Tensor) -> Tensor:
    """Return the squared error of places and, weighted, of graph Laplacians along boundaries; see atvgnet.counted."""
    bent = laplacian(generated_NLPXY) - laplacian(true_NLPXY)
    return counted(generated_NLPXY - true_NLPXY, counts_NL) + _LAPLACIAN * counted(bent, counts_NL)


def laplacian(points_NLPXY: Tensor) -> Tensor:
    """Return each point less the middle of its neighbours, for points inside of boundaries."""
    inner = torch.as_tensor(_INNER, device=points_NLPXY.device)
    around = points_NLPXY.index_select(2, inner - 1) + points_NLPXY.index_select(2, inner + 1)
    return points_NLPXY.index_select(2, inner) - around / 2
