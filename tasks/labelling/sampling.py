"""Stratified random draws of clips to label, balanced over the verdicts of a policy.

A clip has a verdict of each stage that can use it at all: admitted, or one for each reason. Its stratum is the rarest
of them, so that rare reasons are drawn, too. From each stratum clips are drawn at random, without replacement and in
about equal numbers; so each clip stands for (clips of its stratum) / (those of them that were answered) clips.

Draws of the same clips by the same policy have one sampling frame and add up: a later draw leaves out what was
answered, and both together are a random draw from each stratum.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import DRAWS
from heterodub.tasks.quality.routing import route_columns, with_rights
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import Labels, read_labels
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.ledger import now_utc

ADMITTED: Final = "admitted"

CLIP_COLUMNS: Final = [
    "clip_id", "media_id", "uri", "speaker", "person", "start_frame", "frames", "stage1_reasons", "stage2_reasons",
    *RIGHTS, *SIGNAL_NAMES,
]  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class LabelCandidate:
    """A clip that can be labelled. reasons: those of the policy alone, by stage; a stage that cannot use the clip,
    whatever a person says, is not there.
    """

    clip_id: str
    reasons: Mapping[Stage, frozenset[str]]
    clips: pa.Table
    place: int

    @property
    def row(self) -> Row:
        """Row of `clips`: CLIP_COLUMNS."""
        row: Row = self.clips.slice(self.place, 1).to_pylist()[0]
        return row

    @property
    def verdicts(self) -> list[str]:
        """Return the policy's verdicts: "stage1 noisy", "stage2 admitted"."""
        return [f"{stage} {code}" for stage, codes in self.reasons.items() for code in sorted(codes) or [ADMITTED]]


@dataclass(frozen=True, slots=True)
class LabelDraw:
    """Clips to label, in random order. strata: number drawn and number of clips of each stratum."""

    draw: str
    clips: tuple[LabelCandidate, ...]
    strata: Mapping[str, tuple[int, int]]


def label_candidates(clips: pa.Table, policy: Policy) -> list[LabelCandidate]:
    """Return rows of CLIP_COLUMNS, without those that no stage can use. reasons: by a policy alone, without labels."""
    names = {rule.signal for rule in policy.rules()}
    columns = {name: np.array(clips[name].to_pylist(), np.float64) for name in names}  # null becomes NaN
    by_place: dict[Stage, list[set[str]]] = {stage: [set() for _ in range(clips.num_rows)] for stage in Stage}
    masks_by_stage = with_rights(route_columns(columns, policy), clips.select(RIGHTS).to_pylist(), policy)
    for stage, masks in masks_by_stage.items():
        for reason, mask in masks.items():
            for place in np.flatnonzero(mask).tolist():
                by_place[stage][place].add(str(reason))
        for place, stored in enumerate(clips[f"{stage}_reasons"].to_pylist()):
            by_place[stage][place] |= {reason for reason in stored if reason == ClipReason.STRADDLES_SPLITS}
    candidates = []
    for place, clip in enumerate(clips["clip_id"].to_pylist()):
        reasons = {stage: frozenset(by_place[stage][place]) for stage in Stage}
        usable = {stage: codes for stage, codes in reasons.items() if codes.isdisjoint(UNUSABLE)}
        if usable:
            candidates.append(LabelCandidate(clip, usable, clips, place))
    return candidates


def strata_of(clips: Sequence[LabelCandidate]) -> dict[str, list[LabelCandidate]]:
    """Return the clips of each stratum, in the order of their ids; a clip's stratum is the rarest of its verdicts."""
    counts = Counter(verdict for clip in clips for verdict in clip.verdicts)
    strata: dict[str, list[LabelCandidate]] = {}
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        strata.setdefault(min(clip.verdicts, key=lambda verdict: (counts[verdict], verdict)), []).append(clip)
    return dict(sorted(strata.items()))


def allocate(left: Mapping[str, int], done: Mapping[str, int], count: int) -> dict[str, int]:
    """Divide `count` clips over strata so that, with those done, all have about as many.

    left: clips that can be drawn, by stratum. done: clips that were answered. Of equals the stratum with more clips
    left is served first.
    """
    shares = dict.fromkeys(left, 0)
    for _ in range(min(count, sum(left.values()))):
        open_strata = [name for name in left if shares[name] < left[name]]
        chosen = min(open_strata, key=lambda name: (shares[name] + done.get(name, 0), shares[name] - left[name], name))
        shares[chosen] += 1
    return shares


def draw_clips(ws: Workspace, policy: Policy, count: int, seed: int = 0) -> LabelDraw:
    """Draw clips to label, and store the draw; the same again as long as nothing was labelled, ingested or routed anew.

    Raises: NotFoundError - there is no clip, or each was answered. WorkspaceError - a table cannot be read or written.
    """
    clips = label_candidates(tables.read_any(ws, "clips", CLIP_COLUMNS), policy)
    strata = strata_of(clips)
    members = (f"{name} {clip.clip_id} {' '.join(clip.reasons)}" for name, of_it in strata.items() for clip in of_it)
    frame = _hash(policy.hash, *members)
    answered = _answered_in(ws, frame, clips)
    pools = {name: [clip for clip in of_it if clip.clip_id not in answered] for name, of_it in strata.items()}
    done = {name: len(strata[name]) - len(pool) for name, pool in pools.items()}
    if not any(pools.values()):
        raise NotFoundError("no clip is left to draw: every one that a stage could use was labelled in a draw")
    random_order = random.Random(f"{frame} {seed}")
    shares = allocate({name: len(pool) for name, pool in pools.items()}, done, count)
    drawn = {name: random_order.sample(pools[name], share) for name, share in shares.items()}
    clips_drawn = [clip for of_it in drawn.values() for clip in of_it]
    random_order.shuffle(clips_drawn)  # whoever stops early has answered a random part
    name = _hash(frame, *(clip.clip_id for clip in clips_drawn))
    sizes = {stratum: (len(drawn[stratum]), len(of_it)) for stratum, of_it in strata.items()}
    _store(ws, LabelDraw(name, tuple(clips_drawn), sizes), drawn, frame, policy)
    return LabelDraw(name, tuple(clips_drawn), sizes)


def is_answered(clip: LabelCandidate, labels: Labels) -> bool:
    """Return True if a draw's question was answered for each stage that can use the clip."""
    answers = [labels.get((clip.clip_id, stage)) for stage in clip.reasons]
    return all(label is not None and label.draw is not None for label in answers)


def _answered_in(ws: Workspace, frame: str, clips: Sequence[LabelCandidate]) -> frozenset[str]:
    """Return the clips of a sampling frame that were answered in a draw."""
    rows = tables.read_any(ws, "draws", ["frame", "clip_id"]).to_pylist()
    asked, labels = {row["clip_id"] for row in rows if row["frame"] == frame}, read_labels(ws)
    return frozenset(clip.clip_id for clip in clips if clip.clip_id in asked and is_answered(clip, labels))


def _store(
    ws: Workspace, drawn: LabelDraw, by_stratum: Mapping[str, Collection[LabelCandidate]], frame: str, policy: Policy
) -> None:
    common: dict[str, Any] = {"draw": drawn.draw, "frame": frame, "created_utc": now_utc(), "policy": policy.hash}
    common |= {"frame_clips": sum(size for _, size in drawn.strata.values())}
    rows = [
        common
        | {"stratum": stratum, "population": drawn.strata[stratum][1]}
        | {"clip_id": clip.clip_id, "media_id": clip.row["media_id"]}
        for stratum, clips in by_stratum.items()
        for clip in clips
    ]

    def make(before: pa.Table) -> pa.Table:
        is_there = drawn.draw in before["draw"].to_pylist()
        return pa.Table.from_pylist([] if is_there else rows, schema=DRAWS)

    tables.append_after(ws, "draws", make)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
