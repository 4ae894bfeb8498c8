"""Summary of an export, on a terminal."""

from typing import Any

from humanize import naturalsize

from heterodub.flows.cli.render.tables import pairs
from heterodub.schemas.display import counted, readable_path
from heterodub.tasks.monitoring.streams import say


def show_export(summary: dict[str, Any]) -> None:
    """Print what was written, and what was left out and why."""
    rows = [("release", summary["release"]), ("folder", summary["folder"])]
    rows += [
        (stage, ", ".join(f"{clips} {split}" for split, clips in splits.items()))
        for stage, splits in summary["clips"].items()
    ]
    rows.append(("licences", ", ".join(f"{name} ({clips})" for name, clips in summary["licences"].items())))
    rows.append(("files", f"{summary['files']}, {naturalsize(summary['bytes'])}"))
    rows.append(("raw files", summary["media"] or None))
    pairs(rows)
    if count := summary["clips_left_out"]:
        say(f"warning: {counted(count, 'clip')} left out for their rights: {summary['left_out_for']}", error=True)
    for uri, reason in summary["media_left_out"].items():
        say(f"warning: raw file {readable_path(uri)} is left out: {reason}", error=True)
    for clip_id, reason in summary["sounds_left_out"].items():
        say(f"warning: the sound of clip {clip_id} is left out: {reason}", error=True)
