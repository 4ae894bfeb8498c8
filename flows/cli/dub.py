"""Commands `dub` and `verify`. Heavy libraries load inside it; Prefect only for a manifest."""

from pathlib import Path
from typing import Annotated, Any

import typer

from heterodub.flows.cli.environment import configure_environment, prepare
from heterodub.flows.cli.options import (
    ConfigOption,
    GeneratorOption,
    JsonOption,
    SignOption,
    TranslatorOption,
    WorkspaceOption,
    name_left_out,
    print_result,
    text_of,
    write_json,
)
from heterodub.schemas.config.choices import KeptSound, Length, OnFail, Preserve
from heterodub.schemas.errors import BatchError, SettingsError
from heterodub.tasks.monitoring.streams import complain


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("dub")(dub)
    app.command("verify")(verify)


def dub(
    video: Annotated[str | None, typer.Argument(help="Video whose face is to speak.")] = None,
    speech: Annotated[str | None, typer.Argument(help="Sound file with the speech.")] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="Video to write: .mp4, .m4v, .mov or .mkv. Its folder is made; an earlier dubbing of that name is "
            "replaced once the new one is whole.",
        ),
    ] = None,
    speech_from: Annotated[str | None, typer.Option(help="Video whose sound is the speech.")] = None,
    turns: Annotated[
        str | None,
        typer.Option(
            help="Cut list, CSV or RTTM: who speaks when. Each person with a --speech is dubbed in their turns."
        ),
    ] = None,
    speeches: Annotated[
        list[str] | None, typer.Option("--speech", help="NAME=FILE: the speech of a person of --turns, on its clock.")
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            help="NAME=PLACE: where a person of --turns is: left, right, 1 for the largest face, x,y in shares of the "
            "picture, or a picture of the person.",
        ),
    ] = None,
    keep_sound: Annotated[
        KeptSound, typer.Option(help="Of the film's own sound: all outside the dubbed turns, or none.")
    ] = "outside",
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="CSV of jobs: video, speech, out; where wanted face, length, appearance_from, finetune; in place of "
            "speech: turns, speeches, people, keep_sound."
        ),
    ] = None,
    face: Annotated[
        str,
        typer.Option(
            help="speaking: the face that the video's own sound belongs to; 1: the largest of each shot, 2: the next."
        ),
    ] = "speaking",
    length: Annotated[
        Length, typer.Option(help="Output as long as the picture, as the speech, or the picture looped to the speech.")
    ] = "picture",
    preserve: Annotated[
        Preserve,
        typer.Option(
            help="Where nothing is painted: packets: keep the source's own, or refuse; near-lossless: encode at a very "
            "high quality; best: packets, else near-lossless."
        ),
    ] = "off",
    appearance_from: Annotated[
        str | None, typer.Option(help="Video or picture whose face lends its lower half.")
    ] = None,
    finetune: Annotated[
        float | None,
        typer.Option(
            min=0.5, max=60, help="First adapt the translator to the video's face, by so many of its first seconds."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Skip a manifest's rows that are finished and unchanged; --no-resume dubs them again.")
    ] = True,
    sign: SignOption = None,
    accept: Annotated[
        Path | None,
        typer.Option(help="Acceptance policy that the finished file is measured against; else the default one."),
    ] = None,
    on_fail: Annotated[
        OnFail | None,
        typer.Option(
            help="A dub with shots that fail acceptance is kept and named (the default), keeps the source's picture "
            "in them, or is refused."
        ),
    ] = None,
    generator: GeneratorOption = None,
    translator: TranslatorOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the face in a video speak other words.

    Files and names are checked first. Rows of a manifest that cannot be done are named and the others go on. A manifest
    that is given again resumes; a single video is always dubbed. Every finished file is measured; the verdict and a
    page lie beside it, and a shot that fails makes the exit code 1.
    """
    configure_environment()
    if manifest is not None:
        given = (video, speech, out, speech_from, turns, speeches, people, appearance_from, finetune)
        chosen = (keep_sound, face, length, preserve) != ("outside", "speaking", "picture", "off")
        if chosen or any(argument is not None for argument in given):
            raise SettingsError("a manifest names videos, speeches, outputs and all that a job asks for: give it alone")
        measured = text_of(accept), on_fail
        summary = _dub_manifest(manifest, generator, translator, workspace, config, resume, sign, *measured)
    else:
        job = _job(video, speech, speech_from, turns, out)
        job |= {"speeches": speeches or [], "people": people or [], "keep_sound": keep_sound, "preserve": preserve}
        job |= {"face": face, "length": length, "appearance_from": appearance_from, "finetune": finetune}
        summary = dub_one(job, generator, translator, workspace, config, sign, text_of(accept), on_fail)
    from heterodub.flows.cli.render.ingest import show_dubbings

    for outcome in summary["outcomes"]:
        if outcome["error"]:
            complain(f"error: {outcome['error']}")
    print_result(summary, as_json, show_dubbings)


def _job(
    video: str | None, speech: str | None, speech_from: str | None, turns: str | None, out: str | None
) -> dict[str, Any]:
    if video is None or out is None or [speech, speech_from, turns].count(None) != 2:
        raise SettingsError(
            "say what to dub: `heterodub dub VIDEO SPEECH -o OUT.mp4`, with --speech-from VIDEO in the place of SPEECH "
            "for another video's sound, or --turns LIST --speech NAME=FILE for several people; or "
            "`heterodub dub --manifest jobs.csv`"
        )
    return {"video": video, "speech": speech or speech_from, "turns": turns, "out": out}


def dub_one(
    job: dict[str, Any],
    generator: str | None,
    translator: str | None,
    workspace: str | None,
    config: Path | None,
    sign: bool | None = None,
    accept: str | None = None,
    on_fail: OnFail | None = None,
) -> dict[str, Any]:
    """Dub one video, given as the fields of a DubJob; returns the summary. sign, accept, on_fail: None: as the settings
    say.

    Raises: HeterodubError - a field, a file, a model or the settings; the text says what to do.
    """
    from heterodub.flows.cli.progress import TerminalProgress
    from heterodub.schemas.config.settings import load_settings
    from heterodub.schemas.endings import ending_of
    from heterodub.tasks.dubbing.batch import dub_jobs
    from heterodub.tasks.dubbing.jobs import dub_counts, job_of, summary_of
    from heterodub.tasks.monitoring.run_log import as_step, recording
    from heterodub.tasks.preflight.dubbing import check_dub

    dub = {"accept": accept, "on_fail": on_fail}
    settings = load_settings(config, workspace=workspace, provenance={"sign": sign}, dub=dub)
    requested = job_of(job)
    check_dub([requested], generator, translator, settings)

    @as_step("dub", dub_counts)
    def work() -> list[dict[str, Any]]:
        with TerminalProgress() as progress:
            outcomes = dub_jobs([requested], generator, translator, settings, progress)
        return [outcome.summary() for outcome in outcomes]

    with recording("dub", settings) as run:
        summary = summary_of(work())
        run.state = ending_of(summary)
    return summary


def _dub_manifest(
    manifest: Path,
    generator: str | None,
    translator: str | None,
    workspace: str | None,
    config: Path | None,
    resume: bool,
    sign: bool | None,
    accept: str | None,
    on_fail: OnFail | None,
) -> dict[str, Any]:
    from heterodub.tasks.preflight.dubbing import check_manifest

    arguments = (str(manifest), generator, translator, workspace, text_of(config))
    prepare(lambda: name_left_out(check_manifest(*arguments, sign, accept)))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.dub import dub as run

    try:
        return run_shown(run, *arguments, resume, sign, accept, on_fail)
    except BatchError as error:
        return error.summary


def verify(
    file: Annotated[str, typer.Argument(help="Video: a path or an address.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who signed a video, whether it is as it was signed, and what a dub was made of.

    Needs no workspace and no network. The exit code is 0 for a file that is as it was signed, 3 for one that is not, 4
    without a signature, 5 if the signer is not trusted or the certificate expired.
    """
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.provenance.report import EXIT_CODES
    from heterodub.tasks.provenance.verify import verify_file

    summary = verify_file(file, load_settings(config))
    if as_json:
        write_json(summary)
    else:
        from heterodub.flows.cli.render.provenance import show_verification

        show_verification(summary)
    if code := EXIT_CODES[summary["state"]]:
        raise typer.Exit(code)
