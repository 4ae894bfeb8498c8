"""Routing policy: each stage's limits on a clip. A TOML file, versioned, every threshold documented.

A field's name states its effect: `min_face_height_px` refuses clips whose signal `face_height_px` is lower.
A limit that is absent is not applied. tasks/quality/routing.py applies the rules and nothing else.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from .config.sections import Section
from .limits import Direction
from .limits import limit_field as _limit
from .limits import parse_limit as _parse
from .reasons import ClipReason, Stage
from .rights import Rights
from .signals import BY_NAME
from .toml import parse_toml, read_model

OWN_SOUND_SCORE: Final = 2.2
"""Sync score from which a sound counts as the face's own: the default policy's limit (docs/policy.md)."""

DEFAULT_POLICY: Final = Path(__file__).parent / "policies" / "default.toml"


class _Limits(Section):
    accept_missing: tuple[str, ...] = Field((), description="signals that may be missing without a refusal")

    @field_validator("accept_missing")
    @classmethod
    def _known_signals(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in BY_NAME]:
            raise ValueError(f"no such signal: {', '.join(unknown)}; known are {', '.join(BY_NAME)}")
        return names


class Stage1Limits(_Limits):
    """Limits of landmark generation: one trackable face and clean speech that belongs to it."""

    min_face_height_px: float | None = _limit("smallest face whose lips the mesh still follows", low=0)
    min_face_share: float | None = _limit("share of frames in which the face must be tracked", low=0, high=1)
    min_mesh_score: float | None = _limit("how sure the mesh must be", low=0, high=1)
    min_mouth_visibility: float | None = _limit("share of frames in which the mouth must be seen", low=0, high=1)
    max_faces_share: float | None = _limit("share of frames in which a second face may show", low=0, high=1)
    max_undecided_share: float | None = _limit(
        "share of frames in which it may be another face that speaks", low=0, high=1
    )
    max_landmark_jitter: float | None = _limit("trembling beyond which lips cannot be learned from", low=0)
    min_mouth_motion: float | None = _limit("a mouth that moves less is frozen", low=0)
    max_yaw_deg: float | None = _limit("turn of the head beyond which half of the lips is guessed", low=0, high=180)
    max_frozen_share: float | None = _limit("share of repeated frames beyond which the mouth lags", low=0, high=1)
    min_distinct_fps: float | None = _limit("frame rate below which speech movement is lost", low=0)
    max_interlace: float | None = _limit("share of frames that are combed", low=0, high=1)
    min_level_dbfs: float | None = _limit("quieter than this is silence", high=0)
    min_speech_share: float | None = _limit("share of the clip that must be speech", low=0, high=1)
    min_speech_s: float | None = _limit("seconds of speech a clip must hold", low=0)
    min_snr_db: float | None = _limit("speech over noise")
    min_dnsmos_bak: float | None = _limit("background opinion; music and noise lower it", low=1, high=5)
    min_dnsmos_sig: float | None = _limit("opinion of the speech itself", low=1, high=5)
    min_dnsmos_ovrl: float | None = _limit("opinion of the sound as a whole", low=1, high=5)
    max_clipping_share: float | None = _limit("share of clipped pieces", low=0, high=1)
    min_bandwidth_hz: float | None = _limit("telephone speech ends at 3400 Hz", low=0)
    min_av_sync_score: float | None = _limit("how clearly the sound must belong to the mouth")
    max_abs_av_sync_offset_frames: float | None = _limit("offset that may still be corrected", low=0)
    min_speech_motion_ratio: float | None = _limit("mouth movement in speech over movement in pauses", low=0)


class Stage2Limits(_Limits):
    """Limits of landmark translation: a large, sharp, coloured face. Sound is not required."""

    min_face_height_px: float | None = _limit("smallest face worth generating", low=0)
    min_face_share: float | None = _limit("share of frames in which the face must be tracked", low=0, high=1)
    min_mesh_score: float | None = _limit("how sure the mesh must be", low=0, high=1)
    min_mouth_visibility: float | None = _limit("share of frames in which the mouth must be seen", low=0, high=1)
    max_faces_share: float | None = _limit("share of frames in which a second face may show", low=0, high=1)
    max_landmark_jitter: float | None = _limit("trembling beyond which drawn landmarks mislead", low=0)
    max_yaw_deg: float | None = _limit("turn of the head beyond which half of the face is hidden", low=0, high=180)
    min_sharpness: float | None = _limit("detail of the face crop", low=0)
    max_blockiness: float | None = _limit("compression blocks", low=0)
    min_colourfulness: float | None = _limit("less is a grey picture", low=0)
    min_brightness: float | None = _limit("darker faces hide their lower half", low=0, high=1)
    max_brightness: float | None = _limit("brighter faces are blown out", low=0, high=1)
    max_dark_share: float | None = _limit("share of face pixels crushed to black", low=0, high=1)
    max_bright_share: float | None = _limit("share of face pixels blown out", low=0, high=1)
    min_distinct_fps: float | None = _limit("frame rate below which movement is a slide show", low=0)
    max_frozen_share: float | None = _limit("share of repeated frames; a still picture is 1", low=0, high=1)
    max_interlace: float | None = _limit("share of frames that are combed", low=0, high=1)


class Policy(Section):
    """Limits of both stages. `version` grows with every change of a published policy."""

    name: str = Field(description="name of the policy, for people")
    version: int = Field(ge=1, description="grows with every change")
    stage1: Stage1Limits
    stage2: Stage2Limits
    rights: Rights = Field(Rights(), description="licences, consents and purposes that each use may have")

    @property
    def hash(self) -> str:
        """Identity of the policy by content: 12 hex digits over every limit."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def rules(self) -> tuple["Rule", ...]:
        """Return every limit that is set, stage 1 first. Stage 1 always requires sound."""
        return (*_rules(Stage.STAGE1, self.stage1), _HAS_SOUND, *_rules(Stage.STAGE2, self.stage2))


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit on a signal: a clip that breaks it is refused by `stage` for `reason`.

    `missing_reason` is the reason for refusing a null signal; None lets it pass.
    """

    stage: Stage
    field: str
    signal: str
    direction: Direction
    limit: float
    reason: ClipReason
    missing_reason: ClipReason | None


_HAS_SOUND: Final = Rule(
    Stage.STAGE1, "always", "level_dbfs", "min", -math.inf, ClipReason.NO_SOUND, ClipReason.NO_SOUND
)

REASON_OF: Final[Mapping[str, ClipReason]] = {
    "min_face_height_px": ClipReason.FACE_TOO_SMALL,
    "min_face_share": ClipReason.FACE_NOT_TRACKED,
    "min_mesh_score": ClipReason.LANDMARKS_UNRELIABLE,
    "min_mouth_visibility": ClipReason.MOUTH_COVERED,
    "max_faces_share": ClipReason.SEVERAL_FACES,
    "max_undecided_share": ClipReason.SEVERAL_FACES,
    "max_landmark_jitter": ClipReason.LANDMARKS_JITTER,
    "min_mouth_motion": ClipReason.MOUTH_FROZEN,
    "max_yaw_deg": ClipReason.HEAD_TURNED,
    "min_sharpness": ClipReason.BLURRED,
    "max_blockiness": ClipReason.BLOCKY,
    "min_colourfulness": ClipReason.GREY,
    "min_brightness": ClipReason.TOO_DARK,
    "max_brightness": ClipReason.TOO_BRIGHT,
    "max_dark_share": ClipReason.TOO_DARK,
    "max_bright_share": ClipReason.TOO_BRIGHT,
    "min_distinct_fps": ClipReason.LOW_FRAME_RATE,
    "max_frozen_share": ClipReason.PICTURE_FROZEN,
    "max_interlace": ClipReason.INTERLACED,
    "min_level_dbfs": ClipReason.TOO_QUIET,
    "min_speech_share": ClipReason.LITTLE_SPEECH,
    "min_speech_s": ClipReason.LITTLE_SPEECH,
    "min_snr_db": ClipReason.NOISY,
    "min_dnsmos_bak": ClipReason.BACKGROUND_SOUND,
    "min_dnsmos_sig": ClipReason.POOR_SPEECH,
    "min_dnsmos_ovrl": ClipReason.POOR_SPEECH,
    "max_clipping_share": ClipReason.CLIPPED_SOUND,
    "min_bandwidth_hz": ClipReason.NARROW_BAND,
    "min_av_sync_score": ClipReason.LOW_AV_SYNC,
    "max_abs_av_sync_offset_frames": ClipReason.OUT_OF_SYNC,
    "min_speech_motion_ratio": ClipReason.LOW_AV_SYNC,
}
"""Reason for refusing a clip that breaks each limit."""

_MISSING_REASON: Final[Mapping[str, ClipReason]] = {
    "level_dbfs": ClipReason.NO_SOUND,
    "speech_share": ClipReason.LITTLE_SPEECH,
    "av_sync_score": ClipReason.AV_SYNC_UNKNOWN,
    "av_sync_offset_frames": ClipReason.AV_SYNC_UNKNOWN,
    "speech_motion_ratio": ClipReason.AV_SYNC_UNKNOWN,
    # no frame shows enough of a face to measure: that is not the same as too dark, too bright and blurred at once
    "sharpness": ClipReason.FACE_NOT_TRACKED,
    "blockiness": ClipReason.FACE_NOT_TRACKED,
    "colourfulness": ClipReason.FACE_NOT_TRACKED,
    "brightness": ClipReason.FACE_NOT_TRACKED,
    "dark_share": ClipReason.FACE_NOT_TRACKED,
    "bright_share": ClipReason.FACE_NOT_TRACKED,
}


def _rules(stage: Stage, limits: _Limits) -> list[Rule]:
    rules = []
    for field, limit in limits.model_dump(exclude={"accept_missing"}, exclude_none=True).items():
        direction, signal = _parse(field)
        reason = REASON_OF[field]
        missing = None if signal in limits.accept_missing else _MISSING_REASON.get(signal, reason)
        rules.append(Rule(stage, field, signal, direction, limit, reason, missing))
    return rules


PRESETS: Final = ("lrs2", "lrw")
"""Policies beside the default one, by name; their files hold what differs from it."""


def load_policy(path: str | Path | None = None) -> Policy:
    """Read a policy file, or a preset by its name; without either, the default policy.

    Raises: SettingsError - the file is missing, not TOML, or holds a bad value (the text names field and value).
    """
    if str(path) in PRESETS and not Path(str(path)).exists():
        return _preset(str(path))
    return read_model(Policy, path or DEFAULT_POLICY, "policy file")


def _preset(name: str) -> Policy:
    default, own = (
        parse_toml(file.read_text("utf-8")) for file in (DEFAULT_POLICY, DEFAULT_POLICY.with_name(f"{name}.toml"))
    )
    limits = {stage.value: default[stage.value] | own.get(stage.value, {}) for stage in Stage}
    return Policy.model_validate(default | own | limits)
