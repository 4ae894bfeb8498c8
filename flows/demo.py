"""`make demo`: makes the sample, ingests it, and compares the outcome with the known truth of each file."""

import sys
from pathlib import Path

from heterodub.flows.cli.environment import configure_environment, find_server
from heterodub.tasks.monitoring.streams import escape_output, say


def main() -> int:
    """Run the demo in the folder named on the command line; returns the exit code."""
    escape_output()
    configure_environment()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    from heterodub.tasks.synthetic.make import make_sample

    if not (folder / "sample" / "corpus.toml").exists():
        print("making the sample: talking heads whose truth is known", file=sys.stderr, flush=True)
        make_sample(folder / "sample", progress=lambda text: say(f"  {text}", error=True))
    workspace = str(folder / "workspace")
    find_server()
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.ingest import show_summary, show_truth
    from heterodub.flows.ingest import ingest
    from heterodub.tasks.synthetic.truth import compare

    show_summary(run_shown(ingest, str(folder / "sample" / "corpus.toml"), workspace=workspace))
    agreement = compare(folder / "sample", workspace)
    show_truth(agreement)
    _print_next_steps(workspace)
    return 0 if not agreement.disagreements else 1


def _print_next_steps(workspace: str) -> None:
    command = Path(sys.executable).with_name("heterodub")
    print(
        "\nlook at:\n"
        f"  {command} status -w {workspace}\n"
        f"  {command} list --files -w {workspace}\n"
        f"  {command} explain eli-newsreel.mp4 -w {workspace}\n"
        f"  {command} report -w {workspace}      (one page; open it in a browser)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
