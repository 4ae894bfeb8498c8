"""The ledger of champions: one row a move, written before the aliases are moved and marked when they are.

Delta lets one of two writers that saw the same rows win; the other looks again. So whoever writes a move has seen the
newest champion, and of two promotions that were judged against the same one the second is told.
"""

import getpass
import os
import socket
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import PromotionError
from schemas.tables import PROMOTIONS
from tasks.stores import tables
from tasks.stores.workspace import Workspace

Kind = Literal["promote", "rollback", "adopt", "override"]
"""promote: the policy chose. override: a person did, whatever the policy says."""

INTENDED: Final = "intended"
DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision rests on: an MLflow run, the benchmark's hash, the policy's hash."""

    run: str | None = None
    benchmark: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One row of `promotions`; see schemas/tables.py for what each column means."""

    move_id: str
    sequence: int
    model: str
    kind: Kind
    state: str
    from_version: int | None
    to_version: int
    created_utc: str
    finished_utc: str | None
    who: str
    why: str
    run: str | None
    benchmark: str | None
    policy: str | None

    @property
    def is_done(self) -> bool:
        """Whether the aliases were moved."""
        return self.state == DONE

    def made(self) -> dict[str, Any]:
        """The move once it was made, ready for JSON."""
        return asdict(self) | {"state": DONE}


def moves(ws: Workspace, model: str | None = None) -> list[Move]:
    """Every move, of one model or of all, oldest first."""
    chosen = None if model is None else pc.field("model") == model
    rows = tables.read_any(ws, "promotions", filter=chosen).to_pylist()
    found = [Move(**{field.name: row[field.name] for field in fields(Move)}) for row in rows]
    return sorted(found, key=lambda move: (move.model, move.sequence))


def last_move(ws: Workspace, model: str) -> Move | None:
    """The newest move of a model; None before the first."""
    own = moves(ws, model)
    return own[-1] if own else None


def intend(
    ws: Workspace, model: str, kind: Kind, to_version: int, judged_against: int | None, why: str, evidence: Evidence
) -> Move:
    """Write down a move that is about to be made. judged_against: the champion that the decision took for granted.

    Raises: PromotionError - meanwhile somebody else moved the champion, or is about to; nothing is written.
    """
    made: Move | None = None

    def make(before: pa.Table) -> pa.Table:
        nonlocal made
        last = _newest([row for row in before.to_pylist() if row["model"] == model])
        if kind != "adopt":  # what this ledger says of the champion is not what the registry followed
            _require_unmoved(last, model, judged_against)
        made = Move(
            uuid.uuid4().hex[:12], last["sequence"] + 1 if last else 1, model, kind, INTENDED, judged_against,
            to_version, now_utc(), None, who_asks(), why, **asdict(evidence),
        )  # fmt: skip
        return pa.Table.from_pylist([asdict(made)], schema=PROMOTIONS)

    tables.append_after(ws, "promotions", make)
    if made is None:
        raise PromotionError(f"the move of {model} was not written")
    return made


def finish(ws: Workspace, move: Move) -> None:
    """Mark a move as done; one that is stays as it is."""
    if move.is_done:
        return
    told = {"move_id": [move.move_id], "state": [DONE], "finished_utc": [now_utc()]}
    tables.update_columns(ws, "promotions", pa.table(told), key="move_id")


def champions(own: Sequence[Move]) -> list[int]:
    """Champions of one model that a rollback can go back through, the present one last.

    A promotion puts one on top; a rollback takes off whatever stood on its target, which is put on top if it is not
    there. An adoption begins anew: who was champion before it was so by another ledger.
    """
    line: list[int] = []
    for move in own:
        if move.kind == "adopt":
            line.clear()
        elif not line and move.from_version is not None:
            line.append(move.from_version)
        if move.kind == "rollback" and move.to_version in line:
            del line[line.index(move.to_version) + 1 :]
        else:
            line.append(move.to_version)
    return line


def former_champions(own: Sequence[Move]) -> list[int]:
    """Every version of one model that was champion since this ledger leads, each once, oldest first."""
    seen: dict[int, None] = {}
    for move in own:
        if move.kind == "adopt":
            seen.clear()
        elif move.from_version is not None:
            seen[move.from_version] = None
        seen[move.to_version] = None
    return list(seen)


def one_before(own: Sequence[Move], there: Collection[int]) -> int | None:
    """The champion before the present one, of the versions that are still there."""
    return next((number for number in reversed(champions(own)[:-1]) if number in there), None)


def now_utc() -> str:
    """ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def who_asks() -> str:
    """User and machine; a container may have no name for its user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _newest(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return max(rows, key=lambda row: int(row["sequence"]), default=None)


def _require_unmoved(last: dict[str, Any] | None, model: str, judged_against: int | None) -> None:
    if last is None:
        return
    if last["state"] == INTENDED:
        raise PromotionError(
            f"a {last['kind']} of {model} to version {last['to_version']} by {last['who']} is under way since "
            f"{last['created_utc']}; nothing was moved by this one. Run it again: if the other one died, it is "
            "finished first"
        )
    if last["to_version"] != judged_against:
        raise PromotionError(
            f"meanwhile {last['who']} made version {last['to_version']} the champion of {model} ({last['kind']} of "
            f"{last['created_utc']}); this decision was taken against version {judged_against or 'none'}, so nothing "
            "was moved. Judge again"
        )
