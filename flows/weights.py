"""`make weights`: makes the models that ship in the package again, from those of a workspace."""

import argparse
from pathlib import Path

from heterodub.flows.cli.environment import configure_environment
from heterodub.schemas.display import message_of
from heterodub.tasks.monitoring.streams import complain, escape_output


def main(arguments: list[str] | None = None) -> int:
    """Write the models that ship, as the command line says; returns the exit code."""
    escape_output()
    configure_environment()
    parser = argparse.ArgumentParser(prog="make weights", description="Makes the models that ship in the package.")
    parser.add_argument("workspace")
    parser.add_argument("--generator", help="version, @alias or run id; else the champion, or the newest")
    parser.add_argument("--translator", help="named so too")
    parser.add_argument(
        "--score-on",
        action="append",
        default=[],
        metavar="NAME=WORKSPACE",
        help="further footage for the card's scores",
    )
    parser.add_argument("--notes", type=Path, help="Markdown that ends each card")
    parser.add_argument("--config", help="settings file")
    asked = parser.parse_args(arguments)

    from heterodub.schemas.cards import GENERATOR, TRANSLATOR
    from heterodub.schemas.config.settings import load_settings
    from heterodub.schemas.errors import HeterodubError
    from heterodub.tasks.builtin.ship import ship

    named = {GENERATOR: asked.generator, TRANSLATOR: asked.translator}
    places = [place.rpartition("=") for place in asked.score_on]
    if any(not name for name, _, _ in places):
        parser.error("--score-on takes NAME=WORKSPACE")
    try:
        settings = load_settings(asked.config, workspace=asked.workspace)
        scored_on = {name: load_settings(asked.config, workspace=workspace) for name, _, workspace in places}
        notes = asked.notes.read_text("utf-8") if asked.notes else ""
        for model in ship(settings, named, scored_on, notes):
            print(f"{model.origin}: {model.size_bytes / 1e6:.1f} MB in {model.folder}")
    except (HeterodubError, OSError) as error:
        complain(f"error: {message_of(error)}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
