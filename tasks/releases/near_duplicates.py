"""Detection of copies of a recording, and of clips of one scene.

A copy is a claim about a recording, so it must agree over time: takedowns, reports and people believe it. That two
clips share their scene or their sound is less: enough to keep them in one split, and no more.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from model.features.arrays import Flags

from .hash_search import Ints, firsts
from .recordings import Movement, motion_pairs, sound_pairs
from .scenes import same_scene, scene_pairs

MIN_PAIRING: Final = 1.75
"""Pairing score from which a sound counts as the face's own (docs/policy.md: 2 in 11 false pairs reach it)."""

KINDS: Final = ("picture", "sound", "motion", "copy")


@dataclass(frozen=True, slots=True)
class NearCopies:
    """Near copies among clips. `pairs` has columns a, b (clip_ids, a < b), picture, sound and motion (which match) and
    copy. `near_copy_of` maps each clip but the first of those that copies join to the first, by order of clip_id;
    `same_scene_as` does so for all pairs.
    """

    pairs: pd.DataFrame
    near_copy_of: dict[str, str]
    same_scene_as: dict[str, str]


def find_near_copies(clips: pa.Table) -> NearCopies:
    """Find near copies among clips with columns clip_id, media_id, frames, picture_hash, sound_hash, face_motion and
    pairing_score. Clips of one media are never compared: they have one speaker anyway.

    Two clips are copies if their faces move alike; or if they sound alike, do not move against each other, and either
    show one scene or have sounds that are both their faces' own: else it may be two films under one music. The result
    does not depend on the order of rows.
    """
    rows = clips.sort_by("clip_id")
    ids = np.array(rows["clip_id"].to_pylist(), dtype=object)
    media = pd.factorize(np.array(rows["media_id"].to_pylist(), dtype=object))[0]
    movement = Movement(rows)
    alike, agreeing = sound_pairs(rows, media, movement)
    moving = motion_pairs(movement, len(rows), media)
    own = agreeing[_vouched(rows, agreeing[:, 0], agreeing[:, 1])]
    by_kind = {"picture": [scene_pairs(rows, media)], "sound": [alike], "motion": [moving], "copy": [moving, own]}
    flagged = pd.concat(_pairs(pairs_C2, kind) for kind, some in by_kind.items() for pairs_C2 in some)
    pairs = flagged.groupby(["a", "b"], as_index=False)[list(KINDS)].any()
    one, two, is_copy = (pairs[name].to_numpy() for name in ("a", "b", "copy"))
    named = pairs.assign(a=ids[one], b=ids[two])
    return NearCopies(named, _first_of(ids, one[is_copy], two[is_copy]), _first_of(ids, one, two))


def _pairs(pairs_C2: Ints, kind: str) -> pd.DataFrame:
    flags = {name: np.full(len(pairs_C2), name == kind) for name in KINDS}
    return pd.DataFrame({"a": pairs_C2[:, 0], "b": pairs_C2[:, 1], **flags})


def _vouched(rows: pa.Table, one: Ints, two: Ints) -> Flags:
    """Return, for pairs that sound alike, True where the sound is the recording's."""
    score = rows["pairing_score"].fill_null(-np.inf).to_numpy()
    own = score >= MIN_PAIRING
    return np.asarray((own[one] & own[two]) | same_scene(rows["picture_hash"].to_pylist(), one, two))


def _first_of(ids: npt.NDArray[np.object_], one: Ints, two: Ints) -> dict[str, str]:
    return {str(ids[i]): str(ids[first]) for i, first in enumerate(firsts(one, two, len(ids))) if first != i}
