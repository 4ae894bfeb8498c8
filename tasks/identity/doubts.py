"""Reasons to look at a clip's person: a face and a voice that disagree, another person who is as near."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from heterodub.model.features.arrays import Flags

from .corrections import Corrections
from .evidence import Sums
from .linkage import Ints, Linkage, Reals
from .units import with_columns

FACE_DIFFERS: Final = "face_differs"
VOICE_DIFFERS: Final = "voice_differs"
LOOKS_LIKE: Final = "looks_like"
"""With the person's id behind a colon: another person's face is as near, and may be the same."""

VOICE_APART: Final = 0.6
"""Cosine of voices below which they are two people's: so are most of two people, and none of 24 pairs of one."""
STATED_APART: Final = 0.6
"""Distance of a clip's face from the faces of the person that its name tells, above which the two disagree."""


def doubts_of(
    sums: Sums,
    track: Ints,
    person: Ints,
    root: Ints,
    linkage: Linkage,
    is_stated: Flags,
    ids: Sequence[str | None],
    people: Sequence[str],
    corrections: Corrections,
) -> list[str | None]:
    """Return doubts about new clips, by their track and person as nodes; several are divided by commas.

    root: of all nodes. ids: of the clips' people. people: ids of the nodes that are known. People who were merged by
    hand do not look like each other.
    """
    found = dict(zip(person.tolist(), ids, strict=True)) | dict(enumerate(people))
    names = {node: corrections.person(one) for node, one in found.items() if one}
    near: dict[int, list[str]] = {}
    for left, right in zip(linkage.left.tolist(), linkage.right.tolist(), strict=True):
        for one, other in ((left, right), (right, left)):
            if other in names and names[other] != names.get(one):
                near.setdefault(one, []).append(f"{LOOKS_LIKE}:{names[other]}")
    face, voice = _face_differs(sums, track, person, root, is_stated), _voice_differs(sums, track, person, root)
    doubts = []
    for number, node in enumerate(person.tolist()):
        texts = [FACE_DIFFERS] * bool(face[number]) + [VOICE_DIFFERS] * bool(voice[number])
        texts += sorted(near.get(node, ()))
        doubts.append(",".join(texts) or None)
    return doubts


def with_standing_doubts(clips: pa.Table, corrections: Corrections) -> pa.Table:
    """Return clips without the doubts that people have resolved since: of a clip that was split off, and of people who
    look alike and were merged. clips: columns clip_id, person and person_doubt.
    """
    doubts = clips["person_doubt"].to_pylist()
    ids, people = clips["clip_id"], clips["person"]
    for place, doubt in enumerate(doubts):
        if doubt is None:
            continue
        person = people[place].as_py()
        like = f"{LOOKS_LIKE}:"
        texts = [
            one
            for one in doubt.split(",")
            if not (one.startswith(like) and corrections.person(one.removeprefix(like)) == person)
        ]
        doubts[place] = None if ids[place].as_py() in corrections.moved else ",".join(texts) or None
    return with_columns(clips, {"person_doubt": pa.array(doubts, pa.string())})


def _face_differs(sums: Sums, track: Ints, person: Ints, root: Ints, is_stated: Flags) -> Flags:
    whole = sums.faces.joined(root)
    own = sums.faces
    seen = is_stated & (person >= 0) & (own.count[track] > 0) & (whole.count[person] > own.count[track])
    differs = np.zeros(len(track), bool)
    differs[seen] = own.distance(track[seen], person[seen], whole) > STATED_APART
    return differs


def _voice_differs(sums: Sums, track: Ints, person: Ints, root: Ints) -> Flags:
    """Return True for clips whose voice is unlike that of the rest of their person."""
    whole = np.zeros_like(sums.voices)
    np.add.at(whole, root, sums.voices)
    own = sums.voices[track]
    rest = whole[person] - own
    size = np.linalg.norm(own, axis=1) * np.linalg.norm(rest, axis=1)
    both = (person >= 0) & (size > 1e-6)
    cosine: Reals = np.einsum("nv,nv->n", own, rest) / np.where(both, size, 1)
    return np.asarray(both & (cosine < VOICE_APART))
