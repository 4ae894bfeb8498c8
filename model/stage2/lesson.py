"""What stage 2 learns: painter against critics, with their losses; section 3.3.2 of the paper.

Meta-training teaches all four networks on many speakers; fine-tuning, on one speaker, leaves the embedder as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.perception.features import Features, perceptual_distance
from model.stage2 import mouth
from model.stage2.batches import PaintBatch
from model.stage2.critics import Critics, Opinion
from model.stage2.losses import critic_loss, matching_loss, patch_loss, pyramid, restraint
from model.stage2.network import Painter
from model.training.loop import Verdict
from model.training.single import Learner, for_features, over_devices, require_finite
from schemas.translation import Stage2Settings

Judge = Callable[[Painter, int], Verdict]
"""How a painter does on the val split after so many steps."""

Start = Mapping[str, Mapping[str, Tensor]]
"""Weights of "painter" and "critics" that a training starts from."""

PAINTER, CRITICS = "painter", "critics"


class TranslationLesson:
    """Trains a painter and its critics; a model.training.loop.Lesson.

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
        painter, critics = Painter(settings.shape), Critics(settings.critics, settings.feed.window_frames)
        for name, network in ((PAINTER, painter), (CRITICS, critics)):
            if start is not None and name in start:
                network.load_state_dict(start[name])
        painter.embedder.requires_grad_(not freeze)
        self._perception = [
            network.to(fabric.device) if isinstance(network, nn.Module) else network for network in perception
        ]
        steps, rated = settings.pace.steps, {"learning_rate": settings.critic_rate}
        self.painter = Learner(fabric, painter, settings.optimiser, steps)
        self.critics = Learner(fabric, critics, settings.optimiser.model_copy(update=rated), steps)

    @property
    def judged(self) -> Painter:
        """The painter with averaged weights."""
        judged = self.painter.judged
        assert isinstance(judged, Painter)
        return judged

    def step(self, batch: PaintBatch, step: int) -> Mapping[str, Tensor]:
        """Learn from a batch; critics and painter in the same step, each against what the other was before it.

        Raises: NotFiniteError - a loss is not finite.
        """
        batch = batch.to(self._fabric.device)
        painted = self.painter.network(batch.inputs_BCWW, batch.reference_NRCWW, batch.warped_BKWW, batch.frames)
        share = batch.share_BWW[:, None]
        made = (1 - share) * batch.target_BWW + share * painted.float()
        told = self._likeness(made, batch)
        if self._settings.losses.restraint and self._settings.shape.candidates:
            told["restraint"] = restraint(painted.float(), batch.warped_BKWW, batch.share_BWW)
        heard = step >= self._settings.losses.critics_from
        if heard:
            told |= self._verdicts(made, batch)
        total = torch.stack([weight * told[name] for name, weight in self._weights().items() if name in told]).sum()
        critical = self._critical(made.detach(), batch) if heard else None
        require_finite(self._fabric, total, *([] if critical is None else [critical]))
        self.painter.step(total, step)
        if critical is not None:
            self.critics.step(critical, step)
            told["critics"] = critical
        return {name: over_devices(self._fabric, value.detach()) for name, value in (told | {"total": total}).items()}

    def _likeness(self, made: Tensor, batch: PaintBatch) -> dict[str, Tensor]:
        """Distances from the truth."""
        told = self._distances(made, batch.target_BWW, batch.share_BWW)
        if self._settings.losses.mouth:
            made, true = (mouth.cut(pictures, batch.mouths_B3) for pictures in (made, batch.target_BWW))
            near = self._distances(made, true, torch.ones_like(true[:, 0]))
            told |= {f"mouth_{name}": value for name, value in near.items()}
        return told

    def _distances(self, made: Tensor, true: Tensor, share: Tensor) -> dict[str, Tensor]:
        told = {"pyramid": pyramid(made, true, share)}
        if self._perception:
            with for_features(self._fabric):
                parts = [perceptual_distance(one, made, true).mean() for one in self._perception]
            told["perceptual"] = torch.stack(parts).sum()
        return told

    def _verdicts(self, made: Tensor, batch: PaintBatch) -> dict[str, Tensor]:
        """What the critics, held still, say of the painted frames."""
        fake = self.critics.unmoved(made, batch.lines_BCWW)
        real_single, real_run = self.critics.unmoved(batch.target_BWW, batch.lines_BCWW)
        told = {"spatial": patch_loss(fake[0]), "spatial_matching": matching_loss(fake[0], real_single)}
        if fake[1]:
            told |= {"temporal": patch_loss(fake[1]), "temporal_matching": matching_loss(fake[1], real_run)}
        return told

    def _critical(self, made: Tensor, batch: PaintBatch) -> Tensor:
        """What the critics learn from: both halves in one pass, so that several devices agree on one gradient."""
        both = self.critics.network(torch.cat([made, batch.target_BWW]), torch.cat([batch.lines_BCWW] * 2))
        parts = [critic_loss(_half(opinions, 0), _half(opinions, 1)) for opinions in both if opinions]
        return torch.stack(parts).sum()

    def _weights(self) -> dict[str, float]:
        losses = self._settings.losses
        return {
            "pyramid": losses.pyramid,
            "perceptual": losses.perceptual,
            "mouth_pyramid": losses.mouth * losses.pyramid,
            "mouth_perceptual": losses.mouth * losses.perceptual,
            "restraint": losses.restraint,
            "spatial": losses.spatial,
            "spatial_matching": losses.spatial * losses.matching,
            "temporal": losses.temporal,
            "temporal_matching": losses.temporal * losses.matching,
        }

    def validate(self, step: int) -> Verdict:
        """How the averaged painter does."""
        return self._judge(self.judged, step)

    def learning_rate(self) -> float:
        """The painter's rate of the last step."""
        return self.painter.learning_rate()

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from."""
        return {PAINTER: self.painter.state(), CRITICS: self.critics.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state."""
        self.painter.restore(state[PAINTER])
        self.critics.restore(state[CRITICS])

    def weights(self) -> dict[str, Any]:
        """The averaged painter, and the critics, which fine-tuning goes on with."""
        return {PAINTER: self.judged.state_dict(), CRITICS: self.critics.network.module.state_dict()}


def _half(opinions: Sequence[Opinion], number: int) -> list[Opinion]:
    """The first or the second half of what opinions are of: frames, or runs of frames."""
    return [[maps.chunk(2)[number] for maps in opinion] for opinion in opinions]
