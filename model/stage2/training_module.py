"""Training module of stage 2: translator against discriminators, with their losses; section 3.3.2 of the paper.

Meta-training trains all four networks on many speakers; fine-tuning, on one speaker, keeps the embedder frozen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from heterodub.model.perceptual import Features
from heterodub.model.stage2 import mouth
from heterodub.model.stage2.batches import CropBatch, TranslatorBatch, render
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    multiscale_l1,
    warp_consistency,
)
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.model.training.module import TrainingModule, Validator, on_device
from heterodub.schemas.config.translation import Stage2Settings

Start = Mapping[str, Mapping[str, Tensor]]
"""Weights of "translator" and "discriminators" that a training starts from."""

TRANSLATOR_NETWORK, DISCRIMINATORS = "translator", "discriminators"


class TranslatorTrainingModule(TrainingModule):
    """Trains a translator and its discriminators.

    start: initial weights; without, new ones by the seed. freeze: keep the embedder frozen (fine-tuning).
    """

    def __init__(
        self,
        fabric: Fabric,
        settings: Stage2Settings,
        perception: Sequence[Features],
        validator: Validator,
        start: Start | None = None,
        freeze: bool = False,
    ) -> None:
        super().__init__(fabric, settings, validator)
        self.settings, self._perception = settings, on_device(perception, fabric.device)
        translator, discriminators = (
            LandmarkTranslator(settings.architecture),
            Discriminators(settings.discriminators, settings.data.window_frames),
        )
        for name, network in ((TRANSLATOR_NETWORK, translator), (DISCRIMINATORS, discriminators)):
            if start is not None and name in start:
                network.load_state_dict(start[name])
        translator.embedder.requires_grad_(not freeze)
        self.add(TRANSLATOR_NETWORK, translator)
        self.add(DISCRIMINATORS, discriminators, settings.disc_learning_rate)

    def training_step(self, batch: CropBatch, step: int) -> Mapping[str, Tensor]:
        """Take a step on a reader's batch, whose inputs and targets are made here; see `step_on`."""
        return self.step_on(render(batch), step)

    def step_on(self, batch: TranslatorBatch, step: int) -> Mapping[str, Tensor]:
        """Take a step of translator and discriminators, each against the other's weights before the step."""
        translator = self.optimizers[TRANSLATOR_NETWORK].network
        generated = translator(batch.inputs_BCWW, batch.reference_NRCWW, batch.warped_BKWW, batch.frames)
        share = batch.share_BWW[:, None]
        blended = (1 - share) * batch.target_BWW + share * generated.float()
        losses = self._reconstruction_losses(blended, batch)
        if self.settings.losses.warp_consistency and self.settings.architecture.candidates:
            losses["warp_consistency"] = warp_consistency(generated.float(), batch.warped_BKWW, batch.share_BWW)
        adversarial = step >= self.settings.losses.disc_start_step
        if adversarial:
            losses |= self._adversarial_losses(blended, batch)
        total = torch.stack([weight * losses[name] for name, weight in self._weights().items() if name in losses]).sum()
        totals = {TRANSLATOR_NETWORK: total}
        if adversarial:
            totals[DISCRIMINATORS] = losses["discriminators"] = self._discriminator_loss(blended.detach(), batch)
        self.optimizer_step(step, totals)
        return losses | {"total": total}

    def _reconstruction_losses(self, blended: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """Return the distances from the ground truth, by name."""
        losses = self._distances(blended, batch.target_BWW, batch.share_BWW)
        if self.settings.losses.mouth:
            blended, true = (mouth.cut(pictures, batch.mouths_B3) for pictures in (blended, batch.target_BWW))
            mouth_losses = self._distances(blended, true, torch.ones_like(true[:, 0]))
            losses |= {f"mouth_{name}": value for name, value in mouth_losses.items()}
        return losses

    def _distances(self, blended: Tensor, true: Tensor, share: Tensor) -> dict[str, Tensor]:
        losses = {"multiscale_l1": multiscale_l1(blended, true, share)}
        if self._perception:
            losses["perceptual"] = self.perceptual_loss(self._perception, blended, true)
        return losses

    def _adversarial_losses(self, blended: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """Return adversarial and feature-matching losses of the generated frames by the frozen discriminators."""
        discriminators = self.optimizers[DISCRIMINATORS]
        fake = discriminators.frozen_forward(blended, batch.lines_BCWW)
        real_single, real_run = discriminators.frozen_forward(batch.target_BWW, batch.lines_BCWW)
        losses = {"spatial": adversarial_loss(fake[0]), "spatial_matching": feature_matching_loss(fake[0], real_single)}
        if fake[1]:
            losses |= {
                "temporal": adversarial_loss(fake[1]),
                "temporal_matching": feature_matching_loss(fake[1], real_run),
            }
        return losses

    def _discriminator_loss(self, blended: Tensor, batch: TranslatorBatch) -> Tensor:
        """Return the discriminators' loss; fake and real frames go through in one pass, so that several devices agree
        on one gradient.
        """
        discriminators = self.optimizers[DISCRIMINATORS].network
        both = discriminators(torch.cat([blended, batch.target_BWW]), torch.cat([batch.lines_BCWW] * 2))
        return torch.stack([discriminator_loss(features) for features in both if features]).sum()

    def _weights(self) -> dict[str, float]:
        losses = self.settings.losses
        return {
            "multiscale_l1": losses.multiscale_l1,
            "perceptual": losses.perceptual,
            "mouth_multiscale_l1": losses.mouth * losses.multiscale_l1,
            "mouth_perceptual": losses.mouth * losses.perceptual,
            "warp_consistency": losses.warp_consistency,
            "spatial": losses.spatial,
            "spatial_matching": losses.spatial * losses.matching,
            "temporal": losses.temporal,
            "temporal_matching": losses.temporal * losses.matching,
        }

    def weights(self) -> dict[str, Any]:
        """Return the averaged translator, and the discriminators, which fine-tuning continues with."""
        discriminators = self.optimizers[DISCRIMINATORS].network.module
        return super().weights() | {DISCRIMINATORS: discriminators.state_dict()}
