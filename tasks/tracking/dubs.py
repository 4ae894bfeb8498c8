"""Dubs in MLflow: a run each, with the models, the figures and the film.

Names of files may be names of people, so a run tells its inputs by the sha256 of their bytes, as the catalog does: a
takedown finds the film by them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from heterodub.tasks.evaluation.acceptance_reports import report_names

from .runs import TrackedRun, tracked_run
from .store import Tracking

_FIGURES: Final = ("frames", "dubbed", "passed_through", "covered", "seconds", "speech_cut_s", "realtime_factor")

_IDS: Final = 16
"""Inputs that are named in one part of a film's name: 207 bytes, and an ending."""


def log_dub(
    tracking: Tracking, summary: Mapping[str, Any], inputs: Mapping[str, Sequence[str]], longest_mib: float
) -> str:
    """Log a dub to a new run and return its id.

    summary: of a Dubbed. inputs: sha256 of what it was made of, in hex, by kind, video first. longest_mib: size of a
    film that is kept at most.

    Raises: TrackingError - the store cannot be reached. OSError - the film, or a report on it, cannot be read.
    """
    film, media = Path(summary["out"]), [one for kind in inputs.values() for one in kind]
    with tracked_run(tracking.of("dubbing"), f"dub {media[0][:12]}") as run:
        tags = {f"{kind}_media": ",".join(ids) for kind, ids in inputs.items()}
        run.tags({"kind": "dub", "generator": summary["generator"], "translator": summary["translator"], **tags})
        run.metrics({name: float(summary[name]) for name in _FIGURES})
        _log_acceptance(run, summary, media, longest_mib)
        if film.stat().st_size <= longest_mib * 2**20:
            run.content(film_name(media, film.suffix), film.read_bytes())
        return run.run_id


def _log_acceptance(run: TrackedRun, summary: Mapping[str, Any], media: Sequence[str], longest_mib: float) -> None:
    """Log the verdict on a dub: its state, the mean of each measure over its shots, and its reports."""
    acceptance = summary.get("acceptance")
    if acceptance is None:
        return
    names = report_names(Path(summary["out"]))
    verdict = json.loads(names.verdict.read_text("utf-8"))
    run.tags({"acceptance": acceptance["state"], "acceptance_policy": acceptance["policy"]})
    means: dict[str, float] = {}
    for name in verdict["shots"][0]["measures"] if verdict["shots"] else ():
        values = [shot["measures"][name] for shot in verdict["shots"] if shot["measures"][name] is not None]
        means |= {f"accept/{name}": sum(values) / len(values)} if values else {}
    run.metrics({"accept/failed_shots": float(len(acceptance["failed"])), **means})
    run.content(film_name(media, ".acceptance.json"), verdict)
    if names.page.stat().st_size <= longest_mib * 2**20:
        run.content(film_name(media, ".acceptance.html"), names.page.read_bytes())


def film_name(media: Sequence[str], suffix: str) -> str:
    """Return the name of a film, or of a report on it, among a run's files: the beginnings of its inputs' ids, by
    which it is erased; of many, in folders, since no part of a name may be longer than 255 bytes.
    """
    ids = [one[:12] for one in media]
    parts = ["-".join(ids[first : first + _IDS]) for first in range(0, len(ids), _IDS)]
    return f"dub/{'/'.join(parts)}{suffix}"
