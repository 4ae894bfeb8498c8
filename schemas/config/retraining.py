"""Settings of retraining: how much new footage each stage waits for."""

from typing import Literal

from pydantic import Field

from .sections import Address, Section

StageName = Literal["stage1", "stage2"]


class StageRule(Section):
    """New footage in a stage's train split that is worth a training; any one of the three is enough."""

    new_clips: int = Field(200, ge=1, description="clips that were not learned from yet")
    new_hours: float = Field(1.0, gt=0, description="hours of footage that was not learned from yet")
    new_speakers: int = Field(10, ge=1, description="speakers of whom nothing was learned from yet")


class RetrainSettings(Section):
    """Sources and thresholds of a retraining. Why these numbers: docs/operations.md."""

    corpora: tuple[Address, ...] = Field(
        (), description="what is ingested first: corpus files, manifests, folders or URIs; none: what is stored counts"
    )
    stage1: StageRule = Field(default_factory=StageRule, description="when the landmark generator is trained anew")
    stage2: StageRule = Field(default_factory=StageRule, description="when the landmark translator is trained anew")

    def rule(self, stage: StageName) -> StageRule:
        """Return the rule of a stage."""
        return self.stage1 if stage == "stage1" else self.stage2
