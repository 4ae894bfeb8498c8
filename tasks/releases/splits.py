"""Division of speakers into train, val and test. Pure functions: rows in, assignments out.

Speakers joined by clips of one scene or sound, copies among them, form a group, and a group has one split for ever. A
new group's split follows from a hash of its smallest speaker, so it depends neither on the order of arrival nor on who
else is there, but for two things: where a split would stay empty, new groups nearest to its border are moved over; and
several speakers who come as one group, too large for the split of their hash, are for training. Such a group is mostly
one studio, or one talker whose files nobody labelled: held out, it would leave little to learn from.

Where people are found by their faces, a speaker here is a stated one, else a person, else the file (`units_of` in
tasks/identity/units.py), and all speakers of one person are joined as copies are.

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
import pyarrow.compute as pc

from heterodub.schemas.config.sections import SplitSettings
from heterodub.schemas.display import counted

from .speakers import STAGES, count_by_speaker, refused_clips, rows_of, touched_clips

SPLITS: Final = ("train", "val", "test")
_SWAP_CANDIDATES: Final = 60

Cells = Counter[tuple[str, str]]
"""Groups that have clips of a stage in a split, by (stage, split)."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Split and group by speaker, of all speakers whose clips may have another one now.

    `straddlers` must be refused (ClipReason.STRADDLES_SPLITS): each nearly equals a clip of another split.
    """

    split: Mapping[str, str]
    group: Mapping[str, str]
    straddlers: tuple[str, ...]
    notes: tuple[str, ...]

    def columns(self, clips: pa.Table) -> dict[str, pa.Array]:
        """Return split and split_group of all clips, as they should be."""
        at = pc.index_in(clips["speaker"], pa.array(list(self.split), pa.string())).combine_chunks()
        named = {"split": self.split, "split_group": self.group}
        return {
            column: pc.coalesce(pa.array(list(new.values()), pa.string()).take(at), clips[column].combine_chunks())
            for column, new in named.items()
        }


@dataclass(slots=True)
class _Group:
    name: str
    speakers: list[str]
    split: str
    frozen: bool
    stages: frozenset[str]
    place: float


def assign_splits(
    clips: pa.Table,
    near_copies: Iterable[tuple[str, str]],
    settings: SplitSettings,
    same_people: Iterable[tuple[str, str]] = (),
) -> SplitPlan:
    """Assign every speaker of `clips` a group and a split; what is assigned already stays.

    `clips` has columns clip_id, speaker, stage1, stage2, stage1_reasons, split and split_group; `near_copies` are
    pairs of clip_ids, of which those that were considered before may be missing. `same_people` are pairs of a speaker
    and a person, who need not be a speaker; of people without new clips they may be missing. Only speakers with new
    clips, in such pairs, or in one group with these are looked at one by one. Three or more groups with clips of a
    stage fill all three splits as far as new groups can be moved, two fill train and test, one is train.
    """
    refused = refused_clips(clips)
    pairs = sorted({(min(pair), max(pair)) for pair in near_copies})
    ends = {row["clip_id"]: row for row in rows_of(clips, pairs)}
    people = sorted(same_people)
    touched = touched_clips(clips, {*(row["speaker"] for row in ends.values()), *itertools.chain(*people)})
    rows = count_by_speaker(clips, touched, refused)
    union, straddlers = _groups(rows, ends, pairs, people, set(refused.to_pylist()))
    if len(straddlers) > len(refused):
        refused = pa.array(sorted(straddlers), pa.string())
        rows = count_by_speaker(clips, touched, refused)
    divided = _with_splits(rows, union, settings, clips.num_rows)
    others = count_by_speaker(clips, pc.invert(touched), refused, "split_group")
    _fill_empty(divided, _cells(others), settings)
    by_speaker = {speaker: group for group in divided for speaker in group.speakers}
    return SplitPlan(
        {speaker: group.split for speaker, group in by_speaker.items()},
        {speaker: group.name for speaker, group in by_speaker.items()},
        tuple(sorted(straddlers)),
        tuple(
            _notes(
                [*((row, by_speaker[row["speaker"]].split) for row in rows), *((row, row["split"]) for row in others)],
                len(straddlers),
                settings,
            )
        ),
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


def _groups(
    rows: list[dict[str, Any]],
    ends: Mapping[str, dict[str, Any]],
    pairs: list[tuple[str, str]],
    people: list[tuple[str, str]],
    refused: set[str],
) -> tuple[_Union, set[str]]:
    union = _Union()
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
    splits = {row["speaker"]: SPLITS.index(row["split"]) for row in rows if row["split"]}
    for speaker, person in sorted(people, key=lambda pair: splits.get(pair[0], len(SPLITS))):
        union.join(speaker, person)  # who is in two splits already stays there, and what is new goes to the first
    straddlers = set(refused)
    for first, second in pairs:
        if first not in ends or second not in ends or not straddlers.isdisjoint((first, second)):
            continue
        if not union.join(ends[first]["speaker"], ends[second]["speaker"]):
            straddlers.add(_newer(ends[first], ends[second]))
    return union, straddlers


def _newer(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Return the clip that is new, or another speaker's now; of two, the later in order of clip_id."""
    return str(max(first, second, key=lambda row: (row["split_group"] is None, row["clip_id"]))["clip_id"])


def _with_splits(rows: list[dict[str, Any]], union: _Union, settings: SplitSettings, clips: int) -> list[_Group]:
    """Give each group a split. clips: how many there are in all."""
    speakers: dict[str, set[str]] = defaultdict(set)
    stages: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    for row in rows:
        root = union.root(row["speaker"])
        speakers[root].add(row["speaker"])
        stages[root].update(stage for stage in STAGES if row[f"{stage}_sum"])
        sizes[root] += row["clip_id_count"]
        if row["split_group"]:
            names[root] = min(names.get(root, row["split_group"]), row["split_group"])
    groups = []
    for root, members in speakers.items():
        ordered = sorted(members)
        place, frozen = place_of(ordered[0]), union.frozen.get(root)
        if len(ordered) > 1 and sizes[root] > _share(_split_at(place, settings), settings) * clips:
            place = 1.0  # the far end of train
        split = frozen or _split_at(place, settings)
        name = names.get(root, ordered[0])
        groups.append(_Group(name, ordered, split, frozen is not None, frozenset(stages[root]), place))
    return sorted(groups, key=lambda group: group.name)


def _cells(rows: list[dict[str, Any]]) -> Cells:
    return Counter((stage, row["split"]) for row in rows for stage in STAGES if row[f"{stage}_sum"])


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


def _fill_empty(groups: list[_Group], others: Cells, settings: SplitSettings) -> None:
    """Move new groups, one or two at a time, as long as that leaves fewer splits empty. others: of all other groups."""
    cells: Cells = others + Counter((stage, group.split) for group in groups for stage in group.stages)
    counts = Counter({stage: sum(cells[stage, split] for split in SPLITS) for stage in STAGES})
    targets = [(stage, split) for stage in STAGES for split in _wanted(counts[stage], settings)]
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
                yield (len(group.stages) < len(STAGES), distance, group.name), group, split


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


def _notes(rows: list[tuple[dict[str, Any], str]], straddlers: int, settings: SplitSettings) -> Iterator[str]:
    """Say which splits are small. rows: counts, and the split where these clips are."""
    for stage in STAGES:
        clips: Counter[str] = Counter()
        for row, split in rows:
            clips[split] += row[f"{stage}_sum"]
        for split in SPLITS if clips.total() else ():
            if not clips[split]:
                yield f"{stage} has no {split} clips: there are too few new speakers to fill it"
            elif clips[split] < settings.small_clips:
                yield f"{stage} has only {counted(clips[split], f'{split} clip')}"
    if straddlers:
        refused = counted(straddlers, "clip")
        yield f"{refused} refused because a clip of the same scene or sound stands in another split"
