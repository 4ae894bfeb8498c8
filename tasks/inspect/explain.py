"""Explanation of the route of a file or a clip: every number, every threshold, every verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import EXPLANATIONS, FileState, Stage
from heterodub.schemas.records import Decision, MediaFacts
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES, SIGNALS
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.identity.stored import describe_embeddings
from heterodub.tasks.labelling.applied import LabelEffect, label_effect, unusable_for
from heterodub.tasks.quality.routing import LimitCheck, explain, route_clip
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.labels import ClipLabel, Labels, read_labels
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.where import equal
from heterodub.tasks.stores.workspace import Workspace

from .lookup import find_explained
from .routes import route_of

Row = Mapping[str, Any]


class SignalCheck(StrEnum):
    """Result of a stage's check of one signal."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ASKED = "not_asked"
    NOT_MEASURED = "not_measured"
    """The stage checks it and there is no number; `refuses`: true if the clip is refused for that."""


@dataclass(frozen=True, slots=True)
class StageCheck:
    """Check of one signal by one stage. `limits` are such as (">=", 48.0); `reason`: of the refusal."""

    answer: SignalCheck
    refuses: bool
    limits: tuple[tuple[str, float], ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class SignalAnswer:
    """One number of a clip with its unit ("1" for shares and pure numbers), or the cause of its absence."""

    signal: str
    unit: str
    group: str
    meaning: str
    value: float | None
    missing: str | None
    stage1: StageCheck
    stage2: StageCheck


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code with its sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """A standing label of a person on a clip. effect: "applied", "waiting" for a re-route, or, of an unusable clip,
    the reason code for which the stage cannot use it.
    """

    stage: str
    keep: bool
    by: str
    reason: str
    created_utc: str
    text: str
    effect: str


@dataclass(frozen=True, slots=True)
class ClipAnswer:
    """Everything about one clip. The stage flags and reasons are as stored, decided by `policy` and labels; the signals
    are checked by the policy in force, `policy_in_force`, which with the labels would decide `now_stage1` and
    `now_stage2`.
    """

    clip_id: str
    media_id: str
    uri: str
    speaker: str
    person: str | None
    person_cause: str | None
    person_doubt: str | None
    shot: int
    track: int
    start_s: float
    length_s: float
    extractor: str
    backend: str
    route: str
    stage1: bool
    stage2: bool
    stage1_reasons: tuple[Reason, ...]
    stage2_reasons: tuple[Reason, ...]
    split: str | None
    near_copy_of: str | None
    same_scene_as: str | None
    policy: str
    policy_in_force: str
    now_stage1: bool
    now_stage2: bool
    signals: tuple[SignalAnswer, ...]
    labels: tuple[LabelAnswer, ...]
    embeddings: tuple[str, ...] = ()
    """What its embeddings were made of, in words."""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """Everything about one file. `clips_of` is the file whose clips are shown when this one is a copy."""

    uri: str
    media_id: str | None
    state: str
    reason: Reason | None
    error: str | None
    notes: tuple[str, ...]
    facts: dict[str, Any]
    streams: tuple[Row, ...]
    """Every stream that could be used, see heterodub.schemas.records.StreamFacts."""
    clips_of: str | None
    clips: tuple[ClipAnswer, ...]


CLIP_COLUMNS: Final = tuple(name for name in CLIPS.names if name not in ("picture_hash", "sound_hash", "face_motion"))
"""Columns of clips that say something to people."""

_SIGN: Final = {"min": ">=", "max": "<=", "max_abs": "|x| <="}
_FACTS: Final = (
    "size_bytes", "corpus", "speaker", "licence", "consent", "purpose", "language", "offset_s", "extractor", "media_s",
    "dropped_s", *MediaFacts.__dataclass_fields__,
)  # fmt: skip


def explain_name(settings: Settings, name: str) -> FileAnswer | ClipAnswer:
    """Explain the file or clip that a person named; see lookup.find for the forms of a name.

    Raises: NotFoundError - nothing fits, or several things do. WorkspaceError - there is none, or it is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    match = find_explained(ws, name)
    policy, labels = policy_in_force(ws, settings), read_labels(ws)
    if match.clip_id is not None:
        (row,) = read_where(ws, "clips", CLIP_COLUMNS, equal("clip_id", match.clip_id)).to_pylist()
        return _with_embeddings(ws, [explain_clip(row, policy, labels)])[0]
    (row,) = read_where(ws, "catalog", CATALOG.names, equal("uri", str(match.uri))).to_pylist()
    return _explain_file(ws, row, policy, labels)


def explain_clip(row: Row, policy: Policy, labels: Labels | None = None) -> ClipAnswer:
    """Explain a row of the clips table under a policy. labels: standing ones, of this clip among others."""
    values = {name: row[name] for name in SIGNAL_NAMES}
    of_clip = [label for stage in Stage if (label := (labels or {}).get((row["clip_id"], stage)))]
    verdicts = {label.stage: label.keep for label in of_clip}
    now = route_clip(values, policy, verdicts, {name: row[name] for name in RIGHTS})
    copied = [
        "clip_id", "media_id", "uri", "speaker", "person", "person_cause", "person_doubt", "shot", "track", "extractor",
        "backend", "split", "near_copy_of", "same_scene_as", "stage1", "stage2", "policy",
    ]  # fmt: skip
    return ClipAnswer(
        **{name: row[name] for name in copied},
        start_s=frame_to_second(row["start_frame"]),
        length_s=frame_to_second(row["frames"]),
        route=str(route_of(row["stage1"], row["stage2"])),
        stage1_reasons=_reasons(row["stage1_reasons"]),
        stage2_reasons=_reasons(row["stage2_reasons"]),
        policy_in_force=policy.hash,
        now_stage1=now.stage1,
        now_stage2=now.stage2,
        signals=_signals(values, dict(row["missing"] or ()), policy),
        labels=tuple(_label(label, row, now) for label in of_clip),
    )


def _with_embeddings(ws: Workspace, clips: Sequence[ClipAnswer]) -> tuple[ClipAnswer, ...]:
    words = describe_embeddings(ws, [clip.clip_id for clip in clips])
    return tuple(replace(clip, embeddings=words.get(clip.clip_id, ())) for clip in clips)


def _label(label: ClipLabel, row: Row, now: Decision) -> LabelAnswer:
    decided = now.stage1_reasons if label.stage is Stage.STAGE1 else now.stage2_reasons
    effect = label_effect(row, label.stage, label.keep, decided)
    named = unusable_for(row, label.stage)[0] if effect is LabelEffect.UNUSABLE else effect.value
    return LabelAnswer(
        str(label.stage), label.keep, label.by, label.reason, label.created_utc, label.text, effect=named
    )


def sentence(code: str) -> str:
    """Return the sentence of a reason code; a code of a newer version has none and is returned itself."""
    return next((explanation for reason, explanation in EXPLANATIONS.items() if reason == code), code)


def _explain_file(ws: Workspace, row: Row, policy: Policy, labels: Labels) -> FileAnswer:
    clips: list[dict[str, Any]] = []
    if row["media_id"] is not None:
        rows = read_where(ws, "clips", CLIP_COLUMNS, equal("media_id", row["media_id"]))
        clips = tables.in_order(rows, ("start_frame", "clip_id")).to_pylist()
    is_copy = row["state"] == FileState.DUPLICATE and bool(clips)
    return FileAnswer(
        uri=row["uri"],
        media_id=row["media_id"],
        state=row["state"],
        reason=None if row["reason"] is None else Reason(row["reason"], sentence(row["reason"])),
        error=row["error"],
        notes=tuple(row["notes"] or ()),
        facts={name: row[name] for name in _FACTS if row[name] is not None and name != "streams"},
        streams=tuple(row["streams"] or ()),
        clips_of=clips[0]["uri"] if is_copy else None,
        clips=_with_embeddings(ws, [explain_clip(clip, policy, labels) for clip in clips]),
    )


def _reasons(codes: list[str]) -> tuple[Reason, ...]:
    return tuple(Reason(code, sentence(code)) for code in codes)


def _signals(
    values: Mapping[str, float | None], missing: Mapping[str, str], policy: Policy
) -> tuple[SignalAnswer, ...]:
    verdicts: dict[tuple[Stage, str], list[LimitCheck]] = {}
    for verdict in explain(values, policy):
        verdicts.setdefault((verdict.rule.stage, verdict.rule.signal), []).append(verdict)
    return tuple(
        SignalAnswer(
            signal.name,
            signal.unit,
            str(signal.group),
            signal.meaning,
            values[signal.name],
            missing.get(signal.name),
            _stage_check(verdicts.get((Stage.STAGE1, signal.name), [])),
            _stage_check(verdicts.get((Stage.STAGE2, signal.name), [])),
        )
        for signal in SIGNALS
    )


def _stage_check(verdicts: list[LimitCheck]) -> StageCheck:
    # the rule that stage 1 has sound at all has no limit that a number could break
    limits = tuple(
        (_SIGN[verdict.rule.direction], verdict.rule.limit) for verdict in verdicts if math.isfinite(verdict.rule.limit)
    )
    failed = [verdict for verdict in verdicts if not verdict.passed]
    reason = str(failed[0].reason) if failed else None
    if not verdicts:
        answer = SignalCheck.NOT_ASKED
    elif verdicts[0].value is None:
        answer = SignalCheck.NOT_MEASURED
    else:
        answer = SignalCheck.FAIL if failed else SignalCheck.PASS
    return StageCheck(answer, bool(failed), limits, reason)
