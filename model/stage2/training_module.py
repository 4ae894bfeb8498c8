"""What stage 2 learns: translator against discriminators, with their losses; section 3.3.2 of the paper.

Meta-training teaches all four networks on many speakers; fine-tuning, on one speaker, leaves the embedder as it is.
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

Judge = Callable[[LandmarkTranslator, int], ValidationResult]
"""How a translator does on the val split after so many steps."""

Start = Mapping[str, Mapping[str, Tensor]]
"""Weights of "translator" and "discriminators" that a training starts from."""

TRANSLATOR_NETWORK, DISCRIMINATORS = "translator", "discriminators"


class TranslatorTrainingModule:
    """Trains a translator and its discriminators; a model.training.trainer.TrainingModule.

    start: weights to begin with; without, new ones by the seed. freeze: leave the embedder as it is (fine-tuning).
    """

    def __init__(
        self,
        fabric: Fabric,
        settings: Stage2Settings,
        perception: Sequence[Features],
        judge: Judge,
        start: Start | None = None,
        freeze: bool = False,
    ) -> None:
        self._fabric, self._settings, self._judge = fabric, settings, judge
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
    def judged(self) -> LandmarkTranslator:
        """The translator with averaged weights."""
        judged = self.translator.judged
        assert isinstance(judged, LandmarkTranslator)
        return judged

    def step(self, batch: TranslatorBatch, step: int) -> Mapping[str, Tensor]:
        """Learn from a batch; discriminators and translator in the same step, each against what the other was before
        it.

        Raises: NotFiniteError - a loss is not finite.
        """
        batch = batch.to(self._fabric.device)
        painted = self.translator.network(batch.inputs_BCWW, batch.reference_NRCWW, batch.warped_BKWW, batch.frames)
        share = batch.share_BWW[:, None]
        made = (1 - share) * batch.target_BWW + share * painted.float()
        told = self._likeness(made, batch)
        if self._settings.losses.warp_consistency and self._settings.architecture.candidates:
            told["warp_consistency"] = warp_consistency(painted.float(), batch.warped_BKWW, batch.share_BWW)
        heard = step >= self._settings.losses.disc_start_step
        if heard:
            told |= self._verdicts(made, batch)
        total = torch.stack([weight * told[name] for name, weight in self._weights().items() if name in told]).sum()
        critical = self._critical(made.detach(), batch) if heard else None
        require_finite(self._fabric, total, *([] if critical is None else [critical]))
        self.translator.step(total, step)
        if critical is not None:
            self.discriminators.step(critical, step)
            told["discriminators"] = critical
        return {name: over_devices(self._fabric, value.detach()) for name, value in (told | {"total": total}).items()}

    def _likeness(self, made: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """Distances from the truth."""
        told = self._distances(made, batch.target_BWW, batch.share_BWW)
        if self._settings.losses.mouth:
            made, true = (mouth.cut(pictures, batch.mouths_B3) for pictures in (made, batch.target_BWW))
            near = self._distances(made, true, torch.ones_like(true[:, 0]))
            told |= {f"mouth_{name}": value for name, value in near.items()}
        return told

    def _distances(self, made: Tensor, true: Tensor, share: Tensor) -> dict[str, Tensor]:
        told = {"multiscale_l1": multiscale_l1(made, true, share)}
        if self._perception:
            with for_features(self._fabric):
                parts = [perceptual_distance(one, made, true).mean() for one in self._perception]
            told["perceptual"] = torch.stack(parts).sum()
        return told

    def _verdicts(self, made: Tensor, batch: TranslatorBatch) -> dict[str, Tensor]:
        """What the discriminators, held still, say of the painted frames."""
        fake = self.discriminators.unmoved(made, batch.lines_BCWW)
        real_single, real_run = self.discriminators.unmoved(batch.target_BWW, batch.lines_BCWW)
        told = {"spatial": adversarial_loss(fake[0]), "spatial_matching": feature_matching_loss(fake[0], real_single)}
        if fake[1]:
            told |= {
                "temporal": adversarial_loss(fake[1]),
                "temporal_matching": feature_matching_loss(fake[1], real_run),
            }
        return told

    def _critical(self, made: Tensor, batch: TranslatorBatch) -> Tensor:
        """What the discriminators learn from: both halves in one pass, so that several devices agree on one
        gradient.
        """
        both = self.discriminators.network(torch.cat([made, batch.target_BWW]), torch.cat([batch.lines_BCWW] * 2))
        parts = [discriminator_loss(_half(opinions, 0), _half(opinions, 1)) for opinions in both if opinions]
        return torch.stack(parts).sum()

    def _weights(self) -> dict[str, float]:
        losses = self._settings.losses
        return {
            "multiscale_l1": losses.multiscale_l1,
            "perceptual": losses.perceptual,
            "mouth_pyramid": losses.mouth * losses.multiscale_l1,
            "mouth_perceptual": losses.mouth * losses.perceptual,
            "warp_consistency": losses.warp_consistency,
            "spatial": losses.spatial,
            "spatial_matching": losses.spatial * losses.matching,
            "temporal": losses.temporal,
            "temporal_matching": losses.temporal * losses.matching,
        }

    def validate(self, step: int) -> ValidationResult:
        """How the averaged translator does."""
        return self._judge(self.judged, step)

    def learning_rate(self) -> float:
        """The translator's rate of the last step."""
        return self.translator.learning_rate()

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from."""
        return {TRANSLATOR_NETWORK: self.translator.state(), DISCRIMINATORS: self.discriminators.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""
        self.translator.restore(state[TRANSLATOR_NETWORK])
        self.discriminators.restore(state[DISCRIMINATORS])

    def weights(self) -> dict[str, Any]:
        """The averaged translator, and the discriminators, which fine-tuning goes on with."""
        return {
            TRANSLATOR_NETWORK: self.judged.state_dict(),
            DISCRIMINATORS: self.discriminators.network.module.state_dict(),
        }


def _half(opinions: Sequence[DiscriminatorFeatures], number: int) -> list[DiscriminatorFeatures]:
    """The first or the second half of what opinions are of: frames, or runs of frames."""
    return [[maps.chunk(2)[number] for maps in opinion] for opinion in opinions]
