"""Ledger of champions: one row a move, written before the aliases are moved and marked when they are. No MLflow here.

Of two writers that saw the same rows Delta lets one win; the other reads again. So every move is written with the
newest champion known, and of two promotions against the same champion the second is refused.
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

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.ledger_tables import PROMOTIONS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

MoveKind = Literal["promote", "rollback", "adopt", "override"]
"""promote: chosen by the policy. override: chosen by a person, whatever the policy says."""

INTENDED: Final = "intended"
DONE: Final = "done"

ADOPT: Final = "`heterodub rollback STAGE --adopt --reason TEXT`, with `--to VERSION` for its champion before that"
OVERRIDE: Final = "`heterodub promote STAGE --model VERSION --override --reason TEXT`"
CHOOSE: Final = f"`heterodub rollback STAGE --to VERSION --reason TEXT` (one that was champion) or {OVERRIDE} (any)"
"""Commands that move the champion, for messages."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence of a decision: an MLflow run, the benchmark's hash, the policy's hash."""

    run: str | None = None
    benchmark: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One row of `promotions`; see schemas/ledger_tables.py for the columns."""

    move_id: str
    sequence: int
    model: str
    kind: MoveKind
    state: str
    from_version: int | None
    to_version: int
    created_utc: str
    finished_utc: str | None
    who: str
    reason: str
    run: str | None
    benchmark: str | None
    policy: str | None

    @property
    def is_done(self) -> bool:
        """True if the aliases were moved."""
        return self.state == DONE

    def summary(self) -> dict[str, Any]:
        """Return the completed move, ready for JSON."""
        return asdict(self) | {"state": DONE}


def moves(ws: Workspace, model: str | None = None) -> list[Move]:
    """Return every move, of one model or of all, oldest first."""
    chosen = None if model is None else pc.field("model") == model
    rows = tables.read_any(ws, "promotions", filter=chosen).to_pylist()
    stored = [Move(**{field.name: row[field.name] for field in fields(Move)}) for row in rows]
    return sorted(stored, key=lambda move: (move.model, move.sequence))


def last_move(ws: Workspace, model: str) -> Move | None:
    """Return the newest move of a model; None before the first."""
    model_moves = moves(ws, model)
    return model_moves[-1] if model_moves else None


def intend(
    ws: Workspace, model: str, kind: MoveKind, to_version: int, expected: int | None, reason: str, evidence: Evidence
) -> Move:
    """Write a move that is about to be made. expected: the champion that the decision was made against.

    Raises: PromotionError - another move of the champion was made meanwhile or is under way; nothing is written.
    """
    move: Move | None = None

    def add_move(before: pa.Table) -> pa.Table:
        nonlocal move
        last = _newest([row for row in before.to_pylist() if row["model"] == model])
        if kind != "adopt":  # the registry did not follow this ledger
            _require_unmoved(last, model, expected)
        move = Move(
            uuid.uuid4().hex[:12], last["sequence"] + 1 if last else 1, model, kind, INTENDED, expected,
            to_version, now_utc(), None, current_user(), reason, **asdict(evidence),
        )  # fmt: skip
        return pa.Table.from_pylist([asdict(move)], schema=PROMOTIONS)

    tables.append_after(ws, "promotions", add_move)
    if move is None:
        raise PromotionError(f"the move of {model} was not written")
    return move


def finish(ws: Workspace, move: Move) -> None:
    """Mark a move as done, if it is not."""
    if move.is_done:
        return
    update = {"move_id": [move.move_id], "state": [DONE], "finished_utc": [now_utc()]}
    tables.update_columns(ws, "promotions", pa.table(update), key="move_id")


def rollback_line(model_moves: Sequence[Move]) -> list[int]:
    """Return the champions of one model that a rollback can go back through, the present one last.

    A promotion appends one; a rollback removes all behind its target, which is appended if it is not in the list.
    An adoption empties the list: earlier champions belong to another ledger.
    """
    line: list[int] = []
    for move in model_moves:
        if move.kind == "adopt":
            line.clear()
        elif not line and move.from_version is not None:
            line.append(move.from_version)
        if move.kind == "rollback" and move.to_version in line:
            del line[line.index(move.to_version) + 1 :]
        else:
            line.append(move.to_version)
    return line


def former_champions(model_moves: Sequence[Move]) -> list[int]:
    """Return every version of one model that was champion since this ledger leads, each once, oldest first."""
    seen: dict[int, None] = {}
    for move in model_moves:
        if move.kind == "adopt":
            seen.clear()
        elif move.from_version is not None:
            seen[move.from_version] = None
        seen[move.to_version] = None
    return list(seen)


def history(settings: Settings, model: str | None) -> list[dict[str, Any]]:
    """Return the history of champions: a row for each move, newest first, with the time it ended."""
    rows: list[dict[str, Any]] = []
    for move in moves(Workspace.open(settings.workspace), model):
        if rows and rows[-1]["model"] == move.model:
            rows[-1]["until_utc"] = move.created_utc
        rows.append(
            {"model": move.model, "version": move.to_version, "from": move.from_version, "kind": move.kind}
            | {"since_utc": move.created_utc, "until_utc": None, "state": move.state, "who": move.who}
            | {"reason": move.reason, "run": move.run, "benchmark": move.benchmark, "policy": move.policy}
        )
    return rows[::-1]


def one_before(model_moves: Sequence[Move], present: Collection[int]) -> int | None:
    """Return the champion before the present one, of the versions in `present`."""
    return next((number for number in reversed(rollback_line(model_moves)[:-1]) if number in present), None)


def now_utc() -> str:
    """Return the time in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def current_user() -> str:
    """Return user and machine; a container may have no name for its user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _newest(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return max(rows, key=lambda row: int(row["sequence"]), default=None)


def _require_unmoved(last: dict[str, Any] | None, model: str, expected: int | None) -> None:
    if last is None:
        return
    if last["state"] == INTENDED:
        raise PromotionError(
            f"a {last['kind']} of {model} to version {last['to_version']} by {last['who']} is under way since "
            f"{last['created_utc']}; nothing was moved by this one. Run it again: if the other one died, it is "
            "finished first"
        )
    if last["to_version"] != expected:
        raise PromotionError(
            f"meanwhile {last['who']} made version {last['to_version']} the champion of {model} ({last['kind']} of "
            f"{last['created_utc']}); this decision was made against version {expected or 'none'}, so nothing "
            "was moved. Run it again"
        )
