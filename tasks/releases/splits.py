"""Division of speakers into train, val and test. Pure functions: rows in, assignments out.

Speakers joined by clips of one scene or sound, copies among them, form a group, and a group has one split for ever. A
new group's split follows from a hash of its smallest speaker, so it depends neither on the order of arrival nor on who
else is there, but for two things: where a split would stay empty, new groups nearest to its border are moved over; and
several speakers who come as one group, too large for the split of their hash, are for training. Such a group is mostly
one studio, or one talker whose files nobody labelled: held out, it would leave little to learn from.

A clip that is now another speaker's has a split and no group. It goes where that speaker is; if that speaker
is new, it keeps its split.
"""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from heterodub.schemas.config.settings import SplitSettings
from heterodub.schemas.display import counted
from heterodub.schemas.reasons import ClipReason, Stage

SPLITS: Final = ("train", "val", "test")
_STAGES: Final = tuple(stage.value for stage in Stage)
_SWAP_CANDIDATES: Final = 60

Cells = Counter[tuple[str, str]]
"""Groups that have clips of a stage in a split, by (stage, split)."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Split and group of every clip. Dictionaries are keyed by clip_id.

    `straddlers` must be refused (ClipReason.STRADDLES_SPLITS): each nearly equals a clip of another split.
    """

    split: Mapping[str, str]
    group: Mapping[str, str]
    straddlers: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    name: str
    speakers: list[str]
    split: str
    frozen: bool
    stages: frozenset[str]
    place: float


def assign_splits(clips: pa.Table, near_copies: Iterable[tuple[str, str]], settings: SplitSettings) -> SplitPlan:
    """Assign every clip of `clips` a group and a split; what is assigned already stays.

    `clips` has columns clip_id, speaker, stage1, stage2, stage1_reasons, split and split_group; `near_copies` are
    pairs of clip_ids. Three or more groups with clips of a stage fill all three splits as far as new groups can be
    moved, two fill train and test, one is train.
    """
    rows = clips.sort_by("clip_id").to_pylist()
    groups, straddlers = _groups(rows, near_copies)
    divided = _with_splits(rows, groups, straddlers, settings)
    _fill_empty(divided, settings)
    by_speaker = {speaker: group for group in divided for speaker in group.speakers}
    return SplitPlan(
        {row["clip_id"]: by_speaker[row["speaker"]].split for row in rows},
        {row["clip_id"]: by_speaker[row["speaker"]].name for row in rows},
        tuple(sorted(straddlers)),
        tuple(_notes(rows, by_speaker, straddlers, settings)),
    )


def place_of(speaker: str) -> float:
    """Place of a speaker in [0, 1): test takes the low end, val what follows, train the rest."""
    return int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:7]) / 2**56


class _Union:
    """Speakers joined into groups; a root holds the split that its group is frozen in."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self.frozen: dict[str, str] = {}

    def root(self, speaker: str) -> str:
        self._parent.setdefault(speaker, speaker)
        while self._parent[speaker] != speaker:
            self._parent[speaker] = self._parent[self._parent[speaker]]
            speaker = self._parent[speaker]
        return speaker

    def known(self, speaker: str) -> bool:
        return speaker in self._parent

    def freeze(self, speaker: str, split: str) -> None:
        self.frozen.setdefault(self.root(speaker), split)

    def join(self, first: str, second: str) -> bool:
        """Join two groups; return False, and do nothing, if they are frozen in different splits."""
        first, second = sorted((self.root(first), self.root(second)))
        splits = {self.frozen[root] for root in (first, second) if root in self.frozen}
        if len(splits) > 1:
            return False
        self._parent[second] = first
        if splits:
            self.frozen[first] = splits.pop()
        return True


def _groups(rows: list[dict[str, Any]], near_copies: Iterable[tuple[str, str]]) -> tuple[_Union, set[str]]:
    union, by_id = _Union(), {row["clip_id"]: row for row in rows}
    first_of_group: dict[str, str] = {}
    for row in rows:
        union.root(row["speaker"])
        if row["split_group"] and row["split"]:
            union.freeze(row["speaker"], row["split"])
    moved = [row for row in rows if row["split"] and not row["split_group"]]
    for row in sorted(moved, key=lambda row: SPLITS.index(row["split"])):  # nothing that was trained on is evaluated on
        union.freeze(row["speaker"], row["split"])
    for row in rows:
        if row["split_group"]:
            union.join(first_of_group.setdefault(row["split_group"], row["speaker"]), row["speaker"])
    for name, member in first_of_group.items():
        if union.known(name):  # the speaker a group is named after belongs to it, also when it comes back
            union.join(name, member)
    refused = ClipReason.STRADDLES_SPLITS.value
    straddlers = {row["clip_id"] for row in rows if refused in (row["stage1_reasons"] or [])}
    pairs = {(min(pair), max(pair)) for pair in near_copies if pair[0] in by_id and pair[1] in by_id}
    for first, second in sorted(pairs):
        if straddlers.isdisjoint((first, second)) and not union.join(by_id[first]["speaker"], by_id[second]["speaker"]):
            straddlers.add(_newer(by_id[first], by_id[second]))
    return union, straddlers


def _newer(first: dict[str, Any], second: dict[str, Any]) -> str:
    return str(max(first, second, key=lambda row: (row["split"] is None, row["clip_id"]))["clip_id"])


def _with_splits(
    rows: list[dict[str, Any]], union: _Union, straddlers: set[str], settings: SplitSettings
) -> list[_Group]:
    speakers: dict[str, set[str]] = defaultdict(set)
    stages: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for row in rows:
        root = union.root(row["speaker"])
        speakers[root].add(row["speaker"])
        if row["clip_id"] not in straddlers:
            stages[root].update(stage for stage in _STAGES if row[stage])
        if row["split_group"]:
            names[root] = min(names.get(root, row["split_group"]), row["split_group"])
    clips = Counter(union.root(row["speaker"]) for row in rows)
    groups = []
    for root, members in speakers.items():
        ordered = sorted(members)
        place, frozen = place_of(ordered[0]), union.frozen.get(root)
        if len(ordered) > 1 and clips[root] > _share(_split_at(place, settings), settings) * len(rows):
            place = 1.0  # the far end of train
        split = frozen or _split_at(place, settings)
        name = names.get(root, ordered[0])
        groups.append(_Group(name, ordered, split, frozen is not None, frozenset(stages[root]), place))
    return sorted(groups, key=lambda group: group.name)


def _split_at(place: float, settings: SplitSettings) -> str:
    if place < settings.test_share:
        return "test"
    return "val" if place < settings.test_share + settings.val_share else "train"


def _share(split: str, settings: SplitSettings) -> float:
    return {"test": settings.test_share, "val": settings.val_share}.get(split, 1.0)


def _distance(place: float, split: str, settings: SplitSettings) -> float:
    edge = settings.test_share + settings.val_share
    low, high = {"test": (0.0, settings.test_share), "val": (settings.test_share, edge), "train": (edge, 1.0)}[split]
    return max(low - place, place - high, 0.0)


def _fill_empty(groups: list[_Group], settings: SplitSettings) -> None:
    """Move new groups, one or two at a time, as long as that leaves fewer splits empty."""
    counts = Counter(stage for group in groups for stage in group.stages)
    targets = [(stage, split) for stage in _STAGES for split in _wanted(counts[stage], settings)]
    cells: Cells = Counter((stage, group.split) for group in groups for stage in group.stages)
    while missing := sum(not cells[cell] for cell in targets):
        moves = sorted(_moves(groups, settings), key=lambda move: move[0])
        singles = ((move,) for move in moves)
        twos = itertools.combinations(moves[:_SWAP_CANDIDATES], 2)
        pairs = ((first, second) for first, second in twos if first[1] is not second[1])
        better = (chosen for chosen in itertools.chain(singles, pairs) if _missing(chosen, cells, targets) < missing)
        chosen = next(better, None)
        if chosen is None:
            return
        for _, group, split in chosen:
            cells = _moved(cells, group, split)
            group.split = split


Move = tuple[tuple[bool, float, str], _Group, str]
"""Order in which groups are moved (first those with both stages, then the nearest), the group, and where to."""


def _moves(groups: list[_Group], settings: SplitSettings) -> Iterator[Move]:
    for group in groups:
        if group.frozen or not group.stages:
            continue
        for split in SPLITS:
            if split != group.split:
                distance = _distance(group.place, split, settings)
                yield (len(group.stages) < len(_STAGES), distance, group.name), group, split


def _missing(moves: Iterable[Move], cells: Cells, targets: list[tuple[str, str]]) -> int:
    for _, group, split in moves:
        cells = _moved(cells, group, split)
    return sum(cells[cell] <= 0 for cell in targets)


def _moved(cells: Cells, group: _Group, split: str) -> Cells:
    after = cells.copy()
    for stage in group.stages:
        after[(stage, group.split)] -= 1
        after[(stage, split)] += 1
    return after


def _wanted(groups: int, settings: SplitSettings) -> list[str]:
    shares = {"train": 1.0, "test": settings.test_share, "val": settings.val_share}
    return [split for split, _ in zip((s for s in shares if shares[s] > 0), range(groups), strict=False)]


def _notes(
    rows: list[dict[str, Any]], by_speaker: dict[str, _Group], straddlers: set[str], settings: SplitSettings
) -> Iterator[str]:
    placed = [row for row in rows if row["clip_id"] not in straddlers]
    for stage in _STAGES:
        clips = Counter(by_speaker[row["speaker"]].split for row in placed if row[stage])
        for split in SPLITS if clips else ():
            if not clips[split]:
                yield f"{stage} has no {split} clips: there are too few new speakers to fill it"
            elif clips[split] < settings.small_clips:
                yield f"{stage} has only {counted(clips[split], f'{split} clip')}"
    if straddlers:
        refused = counted(len(straddlers), "clip")
        yield f"{refused} refused because a clip of the same scene or sound stands in another split"
