"""Moves of the champion: ledger first, then aliases, then the ledger again. The next run repairs a crash in between.

The ledger is the truth. A written row is applied, if need be by the next run; so aliases can lag behind the ledger
and never lead it. The registry names the move that its aliases follow, so a second ledger (of another workspace, or
of a copy of this one) is refused before it undoes a move of the first one.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.addresses import without_password
from schemas.errors import PromotionError, TrackingError
from tasks.stores.workspace import Workspace

from . import ledger
from .ledger import Evidence, Kind, Move

if TYPE_CHECKING:
    from tasks.tracking.store import Tracking

_log = logging.getLogger(__name__)

ADOPT: Final = "`heterodub rollback STAGE --adopt --why TEXT`, with `--to VERSION` for its champion before that"

CHOOSE: Final = (
    "`heterodub rollback STAGE --to VERSION --why TEXT` (one that was champion) or "
    "`heterodub promote STAGE --model VERSION --override --reason TEXT` (any)"
)

_ROUNDS: Final = 20
"""Times the ledger is read again after the aliases were set; each round means that another move came between."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Champion of a model. repaired: the repair that was needed first, in words."""

    champion: int | None
    repaired: str = ""


def reconcile(tracking: "Tracking", ws: Workspace, model: str) -> Standing:
    """Apply the ledger: finish an interrupted move, and reset aliases that disagree.

    Without a ledger row the alias is kept: a champion that was chosen before there was a ledger.

    Raises: PromotionError - the registry follows another ledger, or the champion's version was deleted.
    TrackingError - the store cannot be reached.
    """
    from tasks.tracking.registry import CHAMPION, aliased

    require_led(tracking, ws, model)
    last = ledger.last_move(ws, model)
    alias = aliased(tracking, model, CHAMPION)
    number = alias.number if alias else None
    if last is None:
        return Standing(number)
    repaired = ""
    if not last.is_done:
        repaired = f"the {last.kind} to version {last.to_version} of {last.created_utc} was interrupted: finished it"
    elif number != last.to_version:
        repaired = (
            f"alias {CHAMPION} pointed at {number or 'nothing'}, the ledger says {last.to_version}: reset it"
        )  # fmt: skip
    if repaired:
        _log.warning("%s: %s", model, repaired)
    applied = apply_move(tracking, ws, model)
    return Standing(applied.to_version, repaired)


def foreign_ledger(tracking: "Tracking", ws: Workspace, model: str) -> str:
    """Explain why this ledger may not move the registry's aliases; empty if it may.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.registry import led_by

    followed, model_moves = led_by(tracking, model), ledger.moves(ws, model)
    if followed is None:
        done = [move for move in model_moves if move.is_done]
        return f"{model} at {tracking.place} never followed a move of the ledger in {ws.root}" if done else ""
    if followed[0] in {move.move_id for move in model_moves}:
        return ""
    return (
        f"{model} at {tracking.place} follows move {followed[0]} of another ledger ({followed[1]}), which the one in "
        f"{ws.root} does not hold"
    )


def require_led(tracking: "Tracking", ws: Workspace, model: str) -> None:
    """Refuse to move aliases that another ledger leads.

    Raises: PromotionError - one does. TrackingError - the store cannot be reached.
    """
    if reason := foreign_ledger(tracking, ws, model):
        raise PromotionError(f"{reason}; nothing was moved. Promote from there, or take the registry over: {ADOPT}")


def require_adoptable(tracking: "Tracking", ws: Workspace, model: str) -> None:
    """Refuse to adopt a registry that this ledger leads already. Raises: PromotionError - it is. TrackingError."""
    if not foreign_ledger(tracking, ws, model):
        raise PromotionError(
            f"{model} follows the ledger of {without_password(ws.root)} already: there is nothing to adopt"
        )


def adopt(tracking: "Tracking", ws: Workspace, model: str, to_version: int, why: str, evidence: Evidence) -> Move:
    """Take over a registry that another ledger led, with `to_version` as the champion.

    Raises: PromotionError - no other ledger leads it. TrackingError - see move_champion; doing it again finishes it.
    """
    from tasks.tracking.registry import CHAMPION, aliased

    require_adoptable(tracking, ws, model)
    now = aliased(tracking, model, CHAMPION)
    move = ledger.intend(ws, model, "adopt", to_version, now.number if now else None, why, evidence)
    _lead(tracking, ws, move)
    apply_move(tracking, ws, model)
    return move


def _lead(tracking: "Tracking", ws: Workspace, move: Move) -> None:
    from tasks.tracking.registry import follow

    follow(tracking, move.model, move.move_id, f"{without_password(ws.root)}, {move.who}, {move.created_utc}")


def move_champion(
    tracking: "Tracking",
    ws: Workspace,
    model: str,
    kind: Kind,
    to_version: int,
    expected_champion: int | None,
    why: str,
    evidence: Evidence,
) -> Move:
    """Make a version the champion, if the champion is still the one that the decision was made against.

    Raises: PromotionError - it is not, or the registry follows another ledger; nothing was moved. TrackingError - the
    store went away; if the move was written by then, the text says so and the next promote or rollback finishes it.
    """
    require_led(tracking, ws, model)
    move = ledger.intend(ws, model, kind, to_version, expected_champion, why, evidence)
    try:
        apply_move(tracking, ws, model)
    except TrackingError as error:
        raise TrackingError(
            f"{error}. The move of {model} to version {to_version} is written ({move.move_id}); the next promote "
            "or rollback applies it, `heterodub doctor` reports it"
        ) from error
    return move


def apply_move(tracking: "Tracking", ws: Workspace, model: str) -> Move:
    """Set the aliases of the newest row, mark it as done, and repeat if it is not the newest any more.

    This is safe at any time: it always ends with the aliases of the newest row.

    Raises: PromotionError - there is no row, its version was deleted, another ledger leads, or others do not stop
    moving. TrackingError - the store cannot be reached.
    """
    from tasks.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, aliased, set_aliases, versions

    for _ in range(_ROUNDS):
        model_moves = ledger.moves(ws, model)
        if not model_moves:
            raise PromotionError(f"no champion of {model} was ever chosen in {ws.root}")
        last = model_moves[-1]
        present = {version.number for version in versions(tracking, model)}
        if last.to_version not in present:
            raise PromotionError(
                f"version {last.to_version}, the champion of {model} by the ledger, was deleted from the registry: "
                f"{CHOOSE} chooses another"
            )
        require_led(tracking, ws, model)
        _lead(tracking, ws, last)
        aliases: dict[str, int | None] = {CHAMPION: last.to_version, PREVIOUS: ledger.one_before(model_moves, present)}
        challenger = aliased(tracking, model, CHALLENGER)
        if challenger and challenger.number == last.to_version:
            aliases[CHALLENGER] = None
        set_aliases(tracking, model, aliases)
        require_led(tracking, ws, model)  # of two ledgers that both found no mark, the later one leads
        ledger.finish(ws, last)
        now = ledger.last_move(ws, model)
        if now is not None and now.move_id == last.move_id:
            return now
    raise PromotionError(f"others moved the champion of {model} {_ROUNDS} times in a row")
