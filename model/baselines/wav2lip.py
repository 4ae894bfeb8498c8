"""Wav2Lip: Prajwal, Mukhopadhyay, Namboodiri and Jawahar, *A Lip Sync Expert Is All You Need for Speech to Lip
Generation In the Wild* (ACM MM 2020), section 3: LipGAN's task, supervised by a pre-trained, frozen lip-sync expert on
five consecutive frames.

The first `syncnet_steps` steps train the expert (sections 3.1 and 3.2): five lower halves and 200 ms of speech, of the
same time or of another time of the clip; likeness is the cosine of their embeddings behind a ReLU, trained by binary
cross-entropy. From then on its weights are frozen, and the generator is trained on L1, the expert's loss and that of a
discriminator of picture quality, weighted as in the paper (section 3.4).

Simplifications against the paper:
- crops, hidden half, sizes and normalisation as in lipgan.py; speech is 20 mel columns of 10 ms, not 16 of 12.5 ms;
- the expert is trained on the same clips as the generator (theirs: 29 hours of LRS2), never on generated faces, and
  has about a tenth of the channels;
- the discriminator scores patches of the lower half by the hinge and with spectral norms, as our own discriminators
  do, in place of one score by log loss.

Shape suffix legend: N = windows, F = 5 shown frames, B = N * F faces, C = 3 colours, S = side of a crop in pixels, M
= 80 mel bands, K = 20 mel columns.
"""

from dataclasses import replace
from typing import Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.baselines.batches import SHOWN_FRAMES, AVBatch
from heterodub.model.baselines.layers import SyncNet, lower_half
from heterodub.model.baselines.lipgan import DISCRIMINATOR, LipGanGenerator, beside_each
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK, BaselineTrainingModule, TrainingContext
from heterodub.model.stage2.discriminators import PatchDiscriminator
from heterodub.model.stage2.losses import adversarial_loss, discriminator_loss
from heterodub.model.training.module import ValidationResult
from heterodub.schemas.config.baselines import BaselineArchitecture, BaselineSettings

_SYNC: Final = 0.03
"""s_w: share of the expert's loss."""
_GAN: Final = 0.07
"""s_g: share of the discriminator's."""

EXPERT: Final = "expert"

_SURE: Final = 1e-4
"""Likenesses are clamped this far from 0 and 1, where their logarithm is infinite."""


class Wav2Lip(LipGanGenerator):
    """The generator: LipGAN's with residual blocks."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__(architecture, residual=True)


class SyncExpert(nn.Module):
    """Estimates whether five consecutive lower halves and 200 ms of speech are of the same time."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.towers = SyncNet(SHOWN_FRAMES, architecture.side_px // 2, architecture)

    def forward(self, faces_NFCSS: Tensor, mel_NMK: Tensor) -> Tensor:
        """Compare the lower halves of five faces in 0..1 with the mel window: likeness (N,) in 0..1."""
        picture_ND, speech_ND = self.towers(lower_half(faces_NFCSS).flatten(1, 2), mel_NMK)
        likeness = functional.cosine_similarity(functional.relu(picture_ND).float(), functional.relu(speech_ND).float())
        return likeness.clamp(_SURE, 1 - _SURE)


class Wav2LipTrainingModule(BaselineTrainingModule):
    """Trains the expert first, then generator and discriminator under it."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        super().__init__(fabric, settings, context)
        self.add(
            TRANSLATOR_NETWORK,
            Wav2Lip(settings.architecture),
            steps=max(1, settings.schedule.max_steps - settings.syncnet_steps),
        )
        self.add(EXPERT, SyncExpert(settings.architecture), steps=settings.syncnet_steps)
        self.add(DISCRIMINATOR, PatchDiscriminator(3, settings.discriminators), settings.disc_learning_rate)

    @property
    def expert(self) -> nn.Module:
        """The expert with averaged weights, which take no gradient."""
        return self.optimizers[EXPERT].ema_network.requires_grad_(False)

    def training_step(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Train the expert in the first `syncnet_steps` steps, the generator from then on."""
        if step < self.settings.syncnet_steps:
            return self._train_expert(batch, step)
        return self._train_generator(batch, step - self.settings.syncnet_steps)

    def _train_expert(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        likeness, belong = compared(self.optimizers[EXPERT].network, batch)
        loss = functional.binary_cross_entropy(likeness, belong)
        self.optimizer_step(step, {EXPERT: loss})
        return {"expert/loss": loss, "expert/right": pair_accuracy(likeness, belong), "total": loss}

    def _train_generator(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        true, mel = batch.shown_NFCSS.flatten(0, 1), batch.heard_NFMK.flatten(0, 1)
        generated = self.optimizers[TRANSLATOR_NETWORK].network(true, mel, beside_each(batch)).float()
        with self.fabric.autocast():
            likeness = self.expert(generated.reshape(batch.shown_NFCSS.shape), middle(batch.heard_NFMK))
        losses = {"l1": (generated - true).abs().mean(), "sync": -likeness.log().mean()}
        totals = {}
        if step >= self.settings.disc_start_step:
            discriminator = self.optimizers[DISCRIMINATOR].network
            losses["gan"] = adversarial_loss(
                [self.optimizers[DISCRIMINATOR].frozen_forward(lower_half(generated) * 2 - 1)]
            )
            both = discriminator(lower_half(torch.cat([generated.detach(), true])) * 2 - 1)
            losses["discriminator"] = totals[DISCRIMINATOR] = discriminator_loss([both])
        shares = {"l1": 1 - _SYNC - _GAN, "sync": _SYNC, "gan": _GAN}
        losses["total"] = torch.stack([share * losses[name] for name, share in shares.items() if name in losses]).sum()
        self.optimizer_step(step, {TRANSLATOR_NETWORK: losses["total"]} | totals)
        return losses

    @torch.no_grad()
    def validation_step(self, step: int) -> ValidationResult:
        """Add the expert's accuracy on the val split: 0.5 is chance, and then its loss is useless."""
        result, val_batch = super().validation_step(step), self.context.val_batch.to(self.fabric.device)
        accuracy = float(pair_accuracy(*compared(self.expert.eval(), val_batch)))
        return replace(result, scores={**result.scores, "expert/val_right": accuracy})


def middle(mel_NFMK: Tensor) -> Tensor:
    """Return the window of the middle frame, whose 200 ms are those of the five frames: (N, M, K)."""
    return mel_NFMK[:, mel_NFMK.shape[1] // 2]


def compared(expert: nn.Module, batch: AVBatch) -> tuple[Tensor, Tensor]:
    """Return likeness of true faces to their own speech and to that of another time, and labels 1, 0: (2 N,) each."""
    mel = torch.cat([middle(batch.heard_NFMK), middle(batch.elsewhere_NFMK)])
    likeness: Tensor = expert(torch.cat([batch.shown_NFCSS] * 2), mel)
    return likeness, (torch.arange(len(mel), device=mel.device) < len(mel) // 2).float()


def pair_accuracy(likeness: Tensor, belong: Tensor) -> Tensor:
    """Return the share of runs of faces that are more like their own speech than like the other one."""
    paired, unpaired = likeness[belong > 0.5], likeness[belong < 0.5]
    return (paired > unpaired).float().mean()
