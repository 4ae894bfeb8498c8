"""Promotion policy: what a challenger must show before it replaces the champion. A TOML file, versioned.

tasks/promotion/decision.py applies it and nothing else. Why these rules: docs/promotion.md.
"""

import hashlib
from pathlib import Path
from typing import Final

from pydantic import Field

from .config.sections import Section
from .errors import SettingsError
from .toml import read_model

DEFAULT_PROMOTION: Final = Path(__file__).parent / "policies" / "promotion.toml"

COSTS: Final = ("latency_ms", "parameters", "memory_mib")
"""Costs of running a model, as model/evaluation/cost.py measures them."""

REFUSED: Final = "refused by a person"
"""Outcome of a promotion that the policy allowed and a person refused."""

NOT_MOVED: Final = "not moved"
"""Outcome of one that the policy allowed and that another promotion or a takedown prevented."""

NO_CHAMPION: Final = "no champion"
"""Outcome of one that leaves a model without a champion."""


class ResamplingRule(Section):
    """Settings of the intervals; see model/evaluation/intervals.py."""

    level: float = Field(0.95, gt=0.5, lt=1, description="share of intervals that should hold the truth")
    resamples: int = Field(4000, ge=500, description="times the speakers are drawn anew")
    seed: int = Field(0, ge=0, description="the same scores give the same interval")


class ApprovalRule(Section):
    """Approval by a person before a move."""

    required: bool = Field(False, description="pause before the move, and ask in the Prefect UI")
    timeout_s: int = Field(86_400, ge=1, description="seconds after which no answer means no")


class ModelRule(Section):
    """Rules for one registered model."""

    primary: str = Field(description="the error that decides")
    minimum_effect: float = Field(
        ge=0, lt=1, description="share of the champion's error by which the challenger's must surely lie below it"
    )
    references: int = Field(
        8, ge=1, description="reference frames of a clip, which a model gets and which are not scored"
    )
    least_clips: int = Field(ge=2, description="with fewer clips in the benchmark no champion is replaced")
    least_speakers: int = Field(ge=2, description="with fewer speakers in the benchmark no champion is replaced")
    controls: dict[str, float] = Field(
        default_factory=dict,
        description="share of a control's error by which the challenger's must surely lie below it, by control",
    )
    tolerances: dict[str, float] = Field(
        default_factory=dict, description="how much worse than the champion's a score may be, in units of the score"
    )
    gain_tolerances: dict[str, float] = Field(
        default_factory=dict, description="how much smaller than the champion's the gain over a control may be"
    )
    strata: dict[str, float] = Field(
        default_factory=dict,
        description="share of the champion's error by which the challenger's must not surely exceed it in any stratum, "
        "by factor",
    )
    costs: dict[str, float] = Field(default_factory=dict, description="how many times the champion's a cost may be")
    approval: ApprovalRule = ApprovalRule()


class PromotionPolicy(Section):
    """Rules for every registered model. `version` grows with every change of a published policy."""

    name: str = Field(description="name of the policy, for people")
    version: int = Field(ge=1, description="grows with every change")
    resampling: ResamplingRule = ResamplingRule()
    models: dict[str, ModelRule] = Field(description="rules by the name of the registered model")

    @property
    def hash(self) -> str:
        """Identity of the policy by content: 12 hex digits over every rule."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def rule(self, model: str) -> ModelRule:
        """Return the rules for a registered model.

        Raises: SettingsError - the policy has none for it.
        """
        if model not in self.models:
            raise SettingsError(f"promotion policy {self.name} {self.version} has no [models.{model}]")
        return self.models[model]


def load_promotion_policy(path: str | Path | None = None) -> PromotionPolicy:
    """Read a promotion policy; without a path, the default one.

    Raises: SettingsError - the file is missing, not TOML, or holds a bad value (the text names field and value).
    """
    return read_model(PromotionPolicy, path or DEFAULT_PROMOTION, "promotion policy")
