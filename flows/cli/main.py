"""The command `heterodub`. Each sub-command is a flow or a query; heavy libraries load only when one needs them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from heterodub.flows.cli import (
    dub,
    evaluate,
    export,
    guide,
    inspect,
    label,
    lineage,
    promote,
    reproduce,
    speakers,
    start,
    train,
)
from heterodub.flows.cli.environment import configure_environment, prepare
from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, text_of
from heterodub.model.files import is_disk_full
from heterodub.schemas.addresses import trouble_with_word
from heterodub.schemas.errors import HeterodubError, SettingsError, server_is_lost
from heterodub.tasks.monitoring.streams import complain, escape_output, say

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time
    context_settings={"max_content_width": 120},
    help="Sorts raw, mixed-quality footage into training data for two-stage visual dubbing.",
)
start.register(app)
inspect.register(app)
label.register(app)
speakers.register(app)
train.register(app)
evaluate.register(app)
promote.register(app)
lineage.register(app)
export.register(app)
dub.register(app)
reproduce.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"heterodub {version('heterodub')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Handle the options that stand before a command."""


@app.command()
def ingest(
    source: Annotated[
        str, typer.Argument(help="Folder, file, URI, manifest (.csv, .tsv, .jsonl, .parquet) or corpus file (.toml).")
    ],
    workspace: WorkspaceOption = None,
    corpus: Annotated[str, typer.Option(help="Name of the corpus, unless a corpus file gives it.")] = "default",
    policy: Annotated[Path | None, typer.Option(help="Routing policy file, or preset: lrs2, lrw.")] = None,
    dask: Annotated[str | None, typer.Option(help="Running Dask scheduler, such as tcp://host:8786.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Local worker processes.")] = None,
    retry_quarantined: Annotated[bool, typer.Option(help="Try quarantined files once more.")] = False,
    columns: Annotated[
        str | None,
        typer.Option(help="The manifest's columns that are called otherwise, such as uri=file,speaker=speaker_id."),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="Go over to a new extractor's line without the files missing in it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort a messy folder into audited stage-1 and stage-2 stores."""
    from heterodub.tasks.preflight.data import check_ingest

    where = (source, corpus, workspace, text_of(config), text_of(policy), dask, workers)
    prepare(lambda: check_ingest(*where, columns))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.ingest import show_summary
    from heterodub.flows.ingest import ingest as run

    print_result(run_shown(run, *where, retry_quarantined, columns, switch), as_json, show_summary)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="New folder for the sample.")],
    seed: Annotated[int, typer.Option(help="The same seed makes the same sample.")] = 0,
) -> None:
    """Make a small corpus of talking heads whose truth is known."""
    from heterodub.tasks.preflight.data import check_sample

    check_sample(folder)
    from heterodub.tasks.synthetic.make import make_sample

    corpus_file = make_sample(folder, seed, progress=lambda text: say(text, error=True))
    say(str(corpus_file))


@app.command()
def route(
    policy: Annotated[
        Path | None,
        typer.Option(help="New policy file or preset (lrs2, lrw); else that in force, with labels added since."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change; reads no media.")] = False,
    clips: Annotated[
        bool, typer.Option("--clips", help="With --dry-run: name every clip whose route changes.")
    ] = False,
    workspace: WorkspaceOption = None,
    dask: Annotated[str | None, typer.Option(help="Running Dask scheduler.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Local worker processes.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Route what is measured by another policy, or by new labels, extracting only what is newly admitted."""
    configure_environment()
    from heterodub.flows.cli.render.ingest import show_route

    summary = _plan(policy, workspace, config, clips) if dry_run else _apply(policy, workspace, config, dask, workers)
    print_result(summary, as_json, show_route)


def _plan(policy: Path | None, workspace: str | None, config: Path | None, clips: bool) -> dict[str, Any]:
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.ingestion.reroute import changed_clips, describe, plan_reroute
    from heterodub.tasks.stores.active_policy import chosen_policy
    from heterodub.tasks.stores.workspace import Workspace

    settings = load_settings(config, workspace=workspace)
    store = Workspace.open(settings.workspace)
    plan = plan_reroute(store, chosen_policy(store, settings, policy))
    return describe(plan) | ({"changed": changed_clips(plan)} if clips else {})


def _apply(
    policy: Path | None, workspace: str | None, config: Path | None, dask: str | None, workers: int | None
) -> dict[str, Any]:
    from heterodub.tasks.preflight.data import check_route

    prepare(lambda: check_route(text_of(policy), workspace, text_of(config), dask, workers))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.route import route as run

    return run_shown(run, text_of(policy), workspace, text_of(config), dask, workers)


guide.attach(app)


def main() -> None:
    """Run the command line; an error that the user can correct becomes one line and exit code 1.

    Raises: SystemExit - always, with the command's exit code.
    """
    escape_output()
    try:
        _refuse_credentials()
        app()
    except HeterodubError as error:
        complain(f"error: {error}")
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if not is_disk_full(error.errno):
            raise
        complain(f"error: there is no room left to write {error.filename or 'a file'}: {error.strerror}")
        raise SystemExit(1) from None
    except Exception as error:
        lost = (
            "the Prefect server" if server_is_lost(error) else "the workspace's store" if _store_is_lost(error) else ""
        )
        if not lost:
            raise
        complain(f"error: {lost} went away ({error}); what is stored is stored, run it again")
        raise SystemExit(1) from None


def _refuse_credentials() -> None:
    """Refuse credentials in addresses before anything else, since Prefect stores a flow's parameters.

    Raises: SettingsError - an address on the command line holds credentials.
    """
    for word in sys.argv[1:]:
        if trouble := trouble_with_word(word):
            raise SettingsError(trouble)


def _store_is_lost(error: BaseException) -> bool:
    from heterodub.tasks.stores.remote import is_of_a_store

    return is_of_a_store(error)


if __name__ == "__main__":
    main()
