"""Champions of a registered model: the one file that moves them, in the ledger and in MLflow's registry.

Context. A champion stands in two places: the ledger (table `promotions`, Parquet in the workspace) and the alias by
which everybody loads it. A crash between two writes, an alias moved by hand, or a second workspace (or a copy of one)
on the same registry makes the two differ.

Decision. The ledger holds every move: from, to, when, by whom, why, on what evidence. The registry holds the versions,
and in their tags what they were made of. Its aliases `champion` and `previous` only repeat the ledger's newest row, and
tags of the registered model name that row. A move is written to the ledger, then to the aliases, then marked as done.
No other file sets an alias or writes a move; the rest of the project gets a `Standing`.

Consequence. Aliases can lag behind the ledger and never lead it; the next run repairs them first. A champion that was
chosen before there was a ledger is kept. A registry that follows a row which this ledger does not hold is refused,
until it is adopted.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from heterodub.schemas.addresses import without_password
from heterodub.schemas.errors import PromotionError, TrackingError
from heterodub.tasks.stores.workspace import Workspace

from . import ledger
from .ledger import ADOPT, CHOOSE, OVERRIDE, Evidence, Move, MoveKind
from .lineage import media_of, require_not_taken_down
from .models import Version, verify_version
from .registry import CHALLENGER, CHAMPION, PREVIOUS, aliased, named_version, registered_model, versions
from .rights import require_rights
from .store import Tracking, tracking_errors

_log = logging.getLogger(__name__)

_MOVE: Final = "ledger.move"
_LEDGER: Final = "ledger"
"""Tags of a registered model: the ledger's move that its aliases follow, and the ledger in words."""

_ROUNDS: Final = 20
"""Times the ledger is read again after the aliases were set; each round means that another move came between."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Versions and moves of a model, oldest first, and its champion. repaired: the repair that was needed, in words."""

    versions: tuple[Version, ...]
    moves: tuple[Move, ...]
    champion: int | None
    repaired: str = ""

    @property
    def champion_version(self) -> Version | None:
        """The champion; None if there is none, or it was deleted."""
        return next((version for version in self.versions if version.number == self.champion), None)

    @property
    def previous(self) -> int | None:
        """The champion before the present one, of the versions that are still there."""
        return ledger.one_before(self.moves, {version.number for version in self.versions})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version, and the contents that it was trained on; empty if they are not known."""

    version: Version
    media: frozenset[str]


@dataclass(frozen=True, slots=True)
class Champions:
    """Champions of one registered model. Every method raises TrackingError when the store cannot be reached."""

    tracking: Tracking
    ws: Workspace
    model: str

    def candidates(self, name: str | None) -> tuple[Standing, Candidate, Candidate | None]:
        """Reconcile, then find the challenger of that name (see named_version) and the champion.

        Raises: as reconcile. TrackingError - there is no such version.
        """
        standing = self.reconcile()
        challenger, champion = named_version(self.tracking, self.model, name), standing.champion_version
        return standing, self._candidate(challenger), self._candidate(champion) if champion else None

    def usable(self, name: str | None, champion: int | None = None) -> Version:
        """Return the version of that name, which may be made the champion whatever its scores: it is not the champion,
        no footage behind it was taken down or may not be used so, and its files are the ones that were logged.

        Raises: PromotionError, ModelFileError - it may not. TrackingError - there is no such version.
        """
        version = named_version(self.tracking, self.model, name)
        if version.number == champion:
            raise PromotionError(f"version {champion} is the champion of {self.model} already")
        media = media_of(self.tracking, self.ws, version)
        require_not_taken_down(self.ws, version, media)
        require_rights(self.ws, version, media)
        verify_version(self.tracking, version)
        return version

    def reconcile(self, may_be_gone: bool = False) -> Standing:
        """Apply the ledger: finish an interrupted move, and reset aliases that disagree.

        Without a ledger row the alias is kept. may_be_gone: a champion whose version was deleted is returned.

        Raises: PromotionError - the registry follows another ledger, or the champion's version was deleted.
        """
        self._require_led()
        last, number = ledger.last_move(self.ws, self.model), self._pointing(CHAMPION)
        if last is None:
            return self._standing(number)
        if may_be_gone and not any(
            version.number == last.to_version for version in versions(self.tracking, self.model)
        ):
            ledger.finish(self.ws, last)
            return self._standing(last.to_version)
        repaired = _repair(last, number)
        if repaired:
            _log.warning("%s: %s", self.model, repaired)
        return self._standing(self.apply().to_version, repaired)

    def move(self, kind: MoveKind, to_version: int, expected: int | None, reason: str, evidence: Evidence) -> Move:
        """Make a version the champion, if the champion is still `expected`, against which the decision was made.

        Raises: PromotionError - it is not, or the registry follows another ledger; nothing was moved. TrackingError -
        the store went away; if the move was written by then, the text says so and the next promote or rollback
        finishes it.
        """
        self._require_led()
        move = ledger.intend(self.ws, self.model, kind, to_version, expected, reason, evidence)
        try:
            self.apply()
        except TrackingError as error:
            raise TrackingError(
                f"{error}. The move of {self.model} to version {to_version} is written ({move.move_id}); the next "
                "promote or rollback applies it, `heterodub doctor` reports it"
            ) from error
        return move

    def apply(self) -> Move:
        """Set the aliases of the newest row, mark it as done, and repeat if it is not the newest any more.

        This is safe at any time: it always ends with the aliases of the newest row.

        Raises: PromotionError - there is no row, its version was deleted, another ledger leads, or others do not stop
        moving.
        """
        for _ in range(_ROUNDS):
            moves = ledger.moves(self.ws, self.model)
            if not moves:
                raise PromotionError(f"no champion of {self.model} was ever chosen in {self.ws.root}")
            self._set_aliases_of(moves)
            ledger.finish(self.ws, moves[-1])
            now = ledger.last_move(self.ws, self.model)
            if now is not None and now.move_id == moves[-1].move_id:
                return now
        raise PromotionError(f"others moved the champion of {self.model} {_ROUNDS} times in a row")

    def challenge(self, number: int) -> None:
        """Point the alias `challenger` at a version."""
        set_aliases(self.tracking, self.model, {CHALLENGER: number})

    def foreign_ledger(self) -> str:
        """Explain why this ledger may not move the registry's aliases; empty if it may."""
        followed, moves = led_by(self.tracking, self.model), ledger.moves(self.ws, self.model)
        where = f"{self.model} at {self.tracking.place}"
        if followed is None:
            done = any(move.is_done for move in moves)
            return f"{where} never followed a move of the ledger in {self.ws.root}" if done else ""
        if followed[0] in {move.move_id for move in moves}:
            return ""
        return (
            f"{where} follows move {followed[0]} of another ledger ({followed[1]}), which the one in {self.ws.root} "
            "does not hold"
        )

    def to_adopt(self, number: int | None) -> int:
        """Return the version that an adoption begins with: the champion that the other ledger left, or `number`.

        Raises: PromotionError - no other ledger leads the registry, or `number` is neither champion nor previous
        there.
        """
        if not self.foreign_ledger():
            ours = without_password(self.ws.root)
            raise PromotionError(f"{self.model} follows the ledger of {ours} already: there is nothing to adopt")
        champion, previous = self._pointing(CHAMPION), self._pointing(PREVIOUS)
        left = [version for version in (champion, previous) if version is not None]
        if number is None and champion is None:
            raise PromotionError(f"{self.model} has no champion at {self.tracking.place}; `--to VERSION` names one")
        if number is not None and left and number not in left:
            raise PromotionError(
                f"version {number} of {self.model} is neither champion nor previous at {self.tracking.place} "
                f"({', '.join(map(str, left))}): adopt one of these, then {OVERRIDE}"
            )
        return left[0] if number is None else number

    def adopt(self, to_version: int, reason: str, evidence: Evidence) -> Move:
        """Take over a registry that another ledger led, with `to_version` (see to_adopt) as the champion.

        Raises: TrackingError - see move; doing it again finishes it.
        """
        before = self._pointing(CHAMPION)
        move = ledger.intend(self.ws, self.model, "adopt", to_version, before, reason, evidence)
        self._lead(move)
        self.apply()
        return move

    def _candidate(self, version: Version) -> Candidate:
        return Candidate(version, media_of(self.tracking, self.ws, version))

    def _standing(self, champion: int | None, repaired: str = "") -> Standing:
        registered, moves = versions(self.tracking, self.model), ledger.moves(self.ws, self.model)
        return Standing(tuple(registered), tuple(moves), champion, repaired)

    def _pointing(self, alias: str) -> int | None:
        version = aliased(self.tracking, self.model, alias)
        return version.number if version else None

    def _set_aliases_of(self, moves: list[Move]) -> None:
        """Make the aliases follow the newest of the moves. Raises: PromotionError - its version was deleted."""
        last, present = moves[-1], {version.number for version in versions(self.tracking, self.model)}
        if last.to_version not in present:
            raise PromotionError(
                f"version {last.to_version}, the champion of {self.model} by the ledger, was deleted from the "
                f"registry: {CHOOSE} chooses another"
            )
        self._require_led()
        self._lead(last)
        aliases: dict[str, int | None] = {CHAMPION: last.to_version, PREVIOUS: ledger.one_before(moves, present)}
        if self._pointing(CHALLENGER) == last.to_version:
            aliases[CHALLENGER] = None
        set_aliases(self.tracking, self.model, aliases)
        self._require_led()  # of two ledgers that both found no mark, the later one leads

    def _require_led(self) -> None:
        """Refuse to move aliases that another ledger leads. Raises: PromotionError - one does."""
        if reason := self.foreign_ledger():
            raise PromotionError(f"{reason}; nothing was moved. Promote from there, or take the registry over: {ADOPT}")

    def _lead(self, move: Move) -> None:
        root = without_password(self.ws.root)
        follow(self.tracking, self.model, move.move_id, f"{root}, {move.who}, {move.created_utc}")


def _repair(last: Move, alias: int | None) -> str:
    """Describe the repair that the aliases need, given the newest row; empty if none."""
    if not last.is_done:
        return f"the {last.kind} to version {last.to_version} of {last.created_utc} was interrupted: finished it"
    if alias != last.to_version:
        return f"alias {CHAMPION} pointed at {alias or 'nothing'}, the ledger says {last.to_version}: reset it"
    return ""


def set_aliases(tracking: Tracking, model: str, aliases: Mapping[str, int | None]) -> None:
    """Make each alias point at a version, or at none. Where it does already, nothing is written.

    Raises: TrackingError - there is no such version, or the store cannot be reached.
    """
    for alias, number in aliases.items():
        now = aliased(tracking, model, alias)
        if (now.number if now else None) == number:
            continue
        with tracking_errors(f"alias {alias} of {model} at {tracking.place}"):
            if number is None:
                tracking.client.delete_registered_model_alias(model, alias)
            else:
                tracking.client.set_registered_model_alias(model, alias, str(number))


def led_by(tracking: Tracking, model: str) -> tuple[str, str] | None:
    """Return the ledger's move that the aliases follow, and that ledger in words; None where none ever moved them."""
    registered = registered_model(tracking, model)
    if registered is None or _MOVE not in registered.tags:
        return None
    return registered.tags[_MOVE], registered.tags.get(_LEDGER, "unknown")


def follow(tracking: Tracking, model: str, move_id: str, description: str) -> None:
    """Record whose move the aliases are about to follow: a ledger that does not hold it may not move them."""
    with tracking_errors(f"{model} at {tracking.place}"):
        for name, value in ((_LEDGER, description), (_MOVE, move_id)):
            tracking.client.set_registered_model_tag(model, name, value)
