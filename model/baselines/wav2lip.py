"""Wav2Lip: Prajwal, Mukhopadhyay, Namboodiri and Jawahar, *A Lip Sync Expert Is All You Need for Speech to Lip
Generation In the Wild* (ACM MM 2020), section 3: LipGAN's task, taught by a lip-sync expert that was trained before
and stays as it is, on five frames in a row.

The first `syncnet_steps` steps train the expert (sections 3.1 and 3.2): five lower halves and 200 ms of speech, of the
same time or of another time of the clip; likeness is the cosine of their embeddings behind a ReLU, learned by binary
cross-entropy. From then on its weights do not move, and the generator learns L1, the expert's word and that of a
discriminator of picture quality, weighted as in the paper (section 3.4).

What is simplified against the paper:
- crops, hidden half, sizes and normalisation as in lipgan.py; speech is 20 mel columns of 10 ms, not 16 of 12.5 ms;
- the expert learns from the same clips as the generator (theirs: 29 hours of LRS2), never sees made faces, and has
  about a tenth of the channels;
- the discriminator judges patches of the lower half by the hinge and with spectral norms, as our own discriminators
do, in place of one verdict by log loss.

Shape suffix legend: N = windows, F = 5 shown frames, B = N * F faces, C = 3 colours, S = side of a crop in pixels, M
= 80 mel bands, K = 20 mel columns.
"""

from collections.abc import Mapping
from typing import Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from model.baselines.batches import SHOWN_FRAMES, AVBatch
from model.baselines.layers import SyncNet, lower_half
from model.baselines.lipgan import DISCRIMINATOR, LipGanGenerator, beside_each
from model.baselines.training_module import TRANSLATOR_NETWORK, BaselineTrainingModule, TrainingContext
from model.stage2.discriminators import PatchDiscriminator
from model.stage2.losses import adversarial_loss, discriminator_loss
from schemas.config.baselines import BaselineArchitecture, BaselineSettings

_SYNC: Final = 0.03
"""s_w: share of the expert's loss."""
_GAN: Final = 0.07
"""s_g: share of the discriminator's."""

EXPERT: Final = "expert"

_SURE: Final = 1e-4
"""Likenesses are held so far from 0 and 1, where their logarithm ends."""


class Wav2Lip(LipGanGenerator):
    """The generator: LipGAN's with residual blocks."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__(architecture, residual=True)


class SyncExpert(nn.Module):
    """Tells whether five lower halves in a row and 200 ms of speech are of the same time."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.towers = SyncNet(SHOWN_FRAMES, architecture.side_px // 2, architecture)

    def forward(self, faces_NFCSS: Tensor, mel_NMK: Tensor) -> Tensor:
        """Five faces in 0..1, of which lower halves are looked at, and the mel window -> likeness (N,) in 0..1."""
        seen, heard = self.towers(lower_half(faces_NFCSS).flatten(1, 2), mel_NMK)
        likeness = functional.cosine_similarity(functional.relu(seen).float(), functional.relu(heard).float())
        return likeness.clamp(_SURE, 1 - _SURE)


class Wav2LipTrainingModule(BaselineTrainingModule):
    """First the expert, then generator and discriminator under it."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, given: TrainingContext) -> None:
        super().__init__(fabric, settings, given)
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
        return self.learners[EXPERT].judged.requires_grad_(False)

    def learn(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """By the number of the step, the expert or what it teaches."""
        if step < self.settings.syncnet_steps:
            return self._learn_to_judge(batch, step)
        return self._learn_to_paint(batch, step - self.settings.syncnet_steps)

    def _learn_to_judge(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        likeness, belong = compared(self.learners[EXPERT].network, batch)
        loss = functional.binary_cross_entropy(likeness, belong)
        self.take(step, {EXPERT: loss})
        return {"expert/loss": loss, "expert/right": told_apart(likeness, belong), "total": loss}

    def _learn_to_paint(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        true, mel = batch.shown_NFCSS.flatten(0, 1), batch.heard_NFMK.flatten(0, 1)
        made = self.learners[TRANSLATOR_NETWORK].network(true, mel, beside_each(batch)).float()
        with self.fabric.autocast():
            likeness = self.expert(made.reshape(batch.shown_NFCSS.shape), middle(batch.heard_NFMK))
        told = {"l1": (made - true).abs().mean(), "sync": -likeness.log().mean()}
        heard, totals = step >= self.settings.disc_start_step, {}
        if heard:
            discriminator = self.learners[DISCRIMINATOR].network
            told["gan"] = adversarial_loss([self.learners[DISCRIMINATOR].unmoved(lower_half(made) * 2 - 1)])
            both = discriminator(lower_half(torch.cat([made.detach(), true])) * 2 - 1)
            halves = [[maps.chunk(2)[number] for maps in both] for number in (0, 1)]
            told["discriminator"] = totals[DISCRIMINATOR] = discriminator_loss(halves[:1], halves[1:])
        shares = {"l1": 1 - _SYNC - _GAN, "sync": _SYNC, "gan": _GAN}
        told["total"] = torch.stack([share * told[name] for name, share in shares.items() if name in told]).sum()
        self.take(step, {TRANSLATOR_NETWORK: told["total"]} | totals)
        return told

    @torch.no_grad()
    def looked(self) -> Mapping[str, float]:
        """How often the expert is right on the val split: 0.5 is chance. What it cannot tell, it cannot teach."""
        expert = self.expert.eval()
        return {"expert/val_right": float(told_apart(*compared(expert, self.given.looked_at.to(self.fabric.device))))}


def middle(mel_NFMK: Tensor) -> Tensor:
    """The window of the middle frame, whose 200 ms are those of the five frames: (N, M, K)."""
    return mel_NFMK[:, mel_NFMK.shape[1] // 2]


def compared(expert: nn.Module, batch: AVBatch) -> tuple[Tensor, Tensor]:
    """Likeness of each run of true faces to its own speech, and to that of another time; and 1 or 0: (2 N,) each."""
    mel = torch.cat([middle(batch.heard_NFMK), middle(batch.elsewhere_NFMK)])
    likeness: Tensor = expert(torch.cat([batch.shown_NFCSS] * 2), mel)
    return likeness, (torch.arange(len(mel), device=mel.device) < len(mel) // 2).float()


def told_apart(likeness: Tensor, belong: Tensor) -> Tensor:
    """Share of runs of faces that are more like their own speech than like the other one."""
    own, other = likeness[belong > 0.5], likeness[belong < 0.5]
    return (own > other).float().mean()
