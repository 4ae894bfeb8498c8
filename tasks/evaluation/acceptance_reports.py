"""Reports of acceptance beside a finished file: the verdict as JSON, and a page for people.

Written outside of the sandbox, from numbers and pictures that a child has sent. Imports no decoder.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from heterodub.model.checksums import file_hash
from heterodub.model.files import copy_untrusted, write_atomic
from heterodub.schemas.acceptance import Acceptance, ShotEvidence, ShotVerdict
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.dubbing.jobs import Dubbed
from heterodub.tasks.evaluation.acceptance_page import acceptance_page
from heterodub.tasks.media.paths import open_regular

_EMBEDDED_BYTES: Final = 24 << 20
"""A small film up to this size, some six minutes, is in its page; a larger one lies beside it."""

_MOST_VERDICT_BYTES: Final = 64 << 20
"""Of a verdict that is read again: a shot of a film takes some 1500 bytes."""


@dataclass(frozen=True, slots=True)
class AcceptedDub:
    """A rendered file that was measured, and the evidence for its page, by shot."""

    dubbed: Dubbed
    evidence: tuple[ShotEvidence, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportNames:
    """Files of a report beside an output."""

    verdict: Path
    page: Path
    film: Path


def report_names(out: Path) -> ReportNames:
    """Return the names of an output's reports."""
    verdict, page, film = (out.with_name(f"{out.name}.acceptance.{ending}") for ending in ("json", "html", "mp4"))
    return ReportNames(verdict, page, film)


def refused_out(out: Path) -> Path:
    """Return the name that reports of a refused file are named after: an earlier file may bear the output's own."""
    return out.with_name(f"{out.name}.refused")


def small_film_of(rendered: Path) -> Path:
    """Return the name of the small film beside a rendered file."""
    return rendered.with_name("side-by-side.mp4")


def publish_reports(out: Path, dubbed: Dubbed, evidence: Sequence[ShotEvidence], rendered: Path) -> None:
    """Write the reports of a file that lies at `out`, or of one that is refused, beside whatever lies there. Earlier
    ones are removed, unless they are of a file that stays.

    Raises: OSError - there is no room, or the child made something else of the small film.
    """
    is_refused = refusal_of(dubbed) is not None
    _remove(report_names(refused_out(out)))
    names = report_names(refused_out(out) if is_refused else out)
    _remove(names)
    if dubbed.acceptance is None:
        return
    tree = verdict_tree(out, dubbed.acceptance, None if is_refused else file_hash(out))
    write_atomic(names.verdict, json.dumps(tree, indent=1) + "\n")
    copy_untrusted(small_film_of(rendered), names.film)
    film = names.film.read_bytes() if names.film.stat().st_size <= _EMBEDDED_BYTES else names.film.name
    write_atomic(names.page, acceptance_page(out.name, dubbed, evidence, film))
    if isinstance(film, bytes):
        names.film.unlink()


def _remove(names: ReportNames) -> None:
    for path in (names.verdict, names.page, names.film):
        path.unlink(missing_ok=True)


def verdict_fits(out: Path, dubbed: Dubbed, sha256: str) -> bool:
    """Return True if the verdict beside a file is of these bytes, or the file was not measured."""
    if dubbed.acceptance is None:
        return True
    with suppress(OSError, ValueError, MediaRefusedError), open_regular(report_names(out).verdict) as file:
        tree = json.loads(file.read(_MOST_VERDICT_BYTES))
        return isinstance(tree, dict) and tree.get("sha256") == sha256
    return False


def verdict_tree(out: Path, acceptance: Acceptance, sha256: str | None) -> dict[str, Any]:
    """Return the whole verdict ready for JSON: every measure of every shot, with the causes of missing ones. sha256: of
    the file; None for one that is not written.
    """
    return {
        "file": out.name,
        "sha256": sha256,
        "state": acceptance.state,
        "policy": acceptance.policy,
        "on_fail": acceptance.on_fail,
        "passed_through": round(acceptance.passed_through, 5),
        "measure_cpu_s": round(acceptance.cpu_s, 3),
        "shots": [_shot(verdict) for verdict in acceptance.shots],
    }


def _shot(verdict: ShotVerdict) -> dict[str, Any]:
    shot = verdict.measures
    return {
        "shot": shot.shot + 1,
        "state": verdict.state,
        "start_s": round(shot.start_s, 3),
        "end_s": round(shot.end_s, 3),
        "frames": shot.frames,
        "measures": {name: None if value is None else round(value, 5) for name, value in shot.values.items()},
        "not_measured": {name: cause.value for name, cause in shot.missing.items()},
        "broken": [asdict(broken) for broken in verdict.broken],
    }


def refusal_of(dubbed: Dubbed) -> str | None:
    """Say why a file is not to be published; None if it is."""
    acceptance = dubbed.acceptance
    if acceptance is None or acceptance.on_fail != "refuse" or acceptance.state != "failed":
        return None
    return "refused: " + "; ".join(acceptance.lines())


def failed_shots(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row for each failed shot of some jobs, from their summaries."""
    rows = []
    for summary in summaries:
        for shot in (summary.get("acceptance") or {}).get("failed", ()):
            broken = ", ".join(f"{limit}: {value:.3g}" for limit, value in shot["broken"].items())
            times = f"{shot['start_s']:.2f} to {shot['end_s']:.2f} s"
            page = report_names(Path(summary["out"])).page
            rows.append({
                "out": summary["out"], "shot": str(shot["shot"]), "time": times, "broken": broken,
                "state": shot["state"], "page": str(page),
            })  # fmt: skip
    return rows
