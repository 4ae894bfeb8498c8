"""Training module of stage 2: translator against discriminators, with their losses; section 3.3.2 of the paper.

Meta-training trains all four networks on many speakers; fine-tuning, on one speaker, keeps the embedder frozen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.perceptual.features import Features, perceptual_distance
from model.stage2 import mouth
from model.stage2.batches import TranslatorBatch
from model.stage2.discriminators import DiscriminatorFeatures, Discriminators
from model.stage2.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    multiscale_l1,
    warp_consistency,
)
from model.stage2.network import LandmarkTranslator
from model.training.optimization import NetworkOptimizer, for_features, over_devices, require_finite
from model.training.trainer import ValidationResult
from schemas.config.translation import Stage2Settings

Validator = Callable[[LandmarkTranslator, int], ValidationResult]
"""Evaluates a translator on the val split after a number of steps."""

Start = Mapping[str, Mapping[str, Tensor]]
"""Weights of "translator" and "discriminators" that a training starts from."""

TRANSLATOR_NETWORK, DISCRIMINATORS = "translator", "discriminators"


class TranslatorTrainingModule:
    """Trains a translator and its discriminators; a model.training.trainer.TrainingModule.

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
        self._fabric, self._settings, self._validator = fabric, settings, validator
        torch.manual_seed(settings.seed)
        translator, discriminators = (
            LandmarkTranslator(settings.architecture),
            Discriminators(settings.discriminators, settings.data.window_frames),
        )
        for name, network in ((TRANSLATOR_NETWORK, translator), (DISCRIMINATORS, discriminators)):
            if start is not None and name in start:
                network.load_state_dict(start[name])
        translator.embedder.requires_grad_(not freeze)
        self._perception = [
            network.to(fabric.device) if isinstance(network, nn.Module) else network for network in perception
        ]
        steps, rated = settings.schedule.max_steps, {"learning_rate": settings.disc_learning_rate}
        self.translator = NetworkOptimizer(fabric, translator, settings.optimiser, steps)
        self.discriminators = NetworkOptimizer(
            fabric, discriminators, settings.optimiser.model_copy(update=rated), steps
        )

    @property
    def averaged_translator(self) -> LandmarkTranslator:
        """The translator with averaged weights."""
        translator = self.translator.ema_network
        assert isinstance(translator, LandmarkTranslator)
        return translator

    def training_step(self, batch: TranslatorBatch, step: int) -> Mapping[str, Tensor]:
        """Take a step of translator and discriminators on a batch, each against the other's weights before the step.

        Returns the losses by name, means over all devices.
        Raises: NotFiniteError - a loss is not finite.
        """
        batch = batch.to(self._fabric.device)
        generated = self.translator.network(batch.inputs_BCWW, batch.reference_NRCWW, batch.warped_BKWW, batch.frames)
        share = batch.share_BWW[:, None]
        made = (1 - share) * batch.target_BWW + share * generated.float()
        losses = self._reconstruction_losses(made, batch)
        if self._settings.losses.warp_consistency and self._settings.architecture.candidates:
            losses["warp_consistency"] = warp_consistency(generated.float(), batch.warped_BKWW, batch.share_BWW)
        adversarial = step >= self._settings.losses.disc_start_step
        if adversarial:
            losses |= self._adversarial_losses(made, batch)
        total = torch.stack([weight * losses[name] for name, weight in self._weights().items() if name in losses]).sum()
        disc_loss = self._discriminator_loss(made.detach(), batch) if adversarial else None
        require_finite(self._fabric, total, *([] if disc_loss is None else [disc_loss]))
        self.translator.step(total, step)
        if disc_loss is not None:
            self.discriminators.step(disc_loss, step)
            losses["discriminators"] = disc_loss
        return {name: over_devices(self._fabric, value.detach()) for name, value in (losses | {"total": total}).items()}

    def _reconstruction_losses(self, made: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """Return the distances from the ground truth, by name."""
        losses = self._distances(made, batch.target_BWW, batch.share_BWW)
        if self._settings.losses.mouth:
            made, true = (mouth.cut(pictures, batch.mouths_B3) for pictures in (made, batch.target_BWW))
            near = self._distances(made, true, torch.ones_like(true[:, 0]))
            losses |= {f"mouth_{name}": value for name, value in near.items()}
        return losses

    def _distances(self, made: Tensor, true: Tensor, share: Tensor) -> dict[str, Tensor]:
        losses = {"multiscale_l1": multiscale_l1(made, true, share)}
        if self._perception:
            with for_features(self._fabric):
                parts = [perceptual_distance(one, made, true).mean() for one in self._perception]
            losses["perceptual"] = torch.stack(parts).sum()
        return losses

    def _adversarial_losses(self, made: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """Return adversarial and feature-matching losses of the generated frames by the frozen discriminators."""
        fake = self.discriminators.frozen_forward(made, batch.lines_BCWW)
        real_single, real_run = self.discriminators.frozen_forward(batch.target_BWW, batch.lines_BCWW)
        losses = {"spatial": adversarial_loss(fake[0]), "spatial_matching": feature_matching_loss(fake[0], real_single)}
        if fake[1]:
            losses |= {
                "temporal": adversarial_loss(fake[1]),
                "temporal_matching": feature_matching_loss(fake[1], real_run),
            }
        return losses

    def _discriminator_loss(self, made: Tensor, batch: TranslatorBatch) -> Tensor:
        """Return the discriminators' loss; fake and real frames go through in one pass, so that several devices agree
        on one gradient.
        """
        both = self.discriminators.network(torch.cat([made, batch.target_BWW]), torch.cat([batch.lines_BCWW] * 2))
        parts = [discriminator_loss(_half(opinions, 0), _half(opinions, 1)) for opinions in both if opinions]
        return torch.stack(parts).sum()

    def _weights(self) -> dict[str, float]:
        losses = self._settings.losses
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

    def validation_step(self, step: int) -> ValidationResult:
        """Evaluate the averaged translator on the val split."""
        return self._validator(self.averaged_translator, step)

    def learning_rate(self) -> float:
        """Return the translator's learning rate of the last step."""
        return self.translator.learning_rate()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that training resumes from."""
        return {TRANSLATOR_NETWORK: self.translator.state_dict(), DISCRIMINATORS: self.discriminators.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        self.translator.load_state_dict(state[TRANSLATOR_NETWORK])
        self.discriminators.load_state_dict(state[DISCRIMINATORS])

    def weights(self) -> dict[str, Any]:
        """Return the averaged translator, and the discriminators, which fine-tuning continues with."""
        return {
            TRANSLATOR_NETWORK: self.averaged_translator.state_dict(),
            DISCRIMINATORS: self.discriminators.network.module.state_dict(),
        }


def _half(opinions: Sequence[DiscriminatorFeatures], number: int) -> list[DiscriminatorFeatures]:
    """Return the features of the first or the second half of the batch (frames, or runs of frames)."""
    return [[maps.chunk(2)[number] for maps in opinion] for opinion in opinions]
