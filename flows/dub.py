"""Dubbing of one video, or of the videos of a manifest."""

from collections.abc import Sequence
from typing import Any

from prefect import flow

from heterodub.schemas.config.choices import KeptSound, Length, OnFail, Preserve
from heterodub.schemas.config.dubbing import DubJob, FaceChoice, FinetuneSeconds
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import BatchError
from heterodub.tasks.dubbing.jobs import job_of, summary_of
from heterodub.tasks.preflight.dubbing import check_dub
from heterodub.tasks.steps.dub import dub_jobs, log_dubs, read_jobs, show_dubbings
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.states import shown_by_prefect


@flow(name="dub", flow_run_name=run_name("dub", "manifest"))
@shown_by_prefect
@recorded("dub")
def dub(
    manifest: str,
    generator: str | None = None,
    translator: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    resume: bool = True,
    sign: bool | None = None,
    accept: str | None = None,
    on_fail: OnFail | None = None,
) -> dict[str, Any]:
    """Dub every job of a CSV manifest (tasks/dubbing/jobs.py names its columns).

    Returns the counts of jobs that were dubbed, skipped and that failed, and each job's summary; a failed job carries
    its error and stops no other.

    Args:
        manifest: CSV where the flow runs: video, speech, out; where wanted face, length, appearance_from, finetune; in
            place of speech: turns, speeches, people, keep_sound.
        generator: Landmark generator: folder, version number, @alias, run id, newest, or builtin, the one that ships;
            else the champion, and builtin where there is none.
        translator: Landmark translator, named the same way; or warp, the one without training.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        resume: Skip jobs that an earlier run finished, if nothing changed and the output is intact.
        sign: True to write nothing unsigned, False to sign nothing; else outputs are signed if there is a certificate.
        accept: Acceptance policy that every finished file is measured against; else as the settings say.
        on_fail: Done with a dub in which a shot fails: keep and name it, keep the source's picture in such shots, or
            refuse it; else as the settings say.

    Raises: HeterodubError - the manifest, the models or the store; the text says what to do. BatchError - every job
    failed.
    """
    dub = {"accept": accept, "on_fail": on_fail}
    settings = load_settings(config, workspace=workspace, provenance={"sign": sign}, dub=dub)
    return _dubbed(read_jobs(manifest), generator, translator, settings, resume)


@flow(name="dub-video", flow_run_name=run_name("dub-video", "video"))
@shown_by_prefect
@recorded("dub")
def dub_video(
    video: str,
    speech: str | None,
    out: str,
    turns: str | None = None,
    speeches: dict[str, str] | None = None,
    people: dict[str, str] | None = None,
    keep_sound: KeptSound = "outside",
    face: FaceChoice = "speaking",
    length: Length = "picture",
    preserve: Preserve = "off",
    appearance_from: str | None = None,
    finetune: FinetuneSeconds | None = None,
    generator: str | None = None,
    translator: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    sign: bool | None = None,
    accept: str | None = None,
    on_fail: OnFail | None = None,
) -> dict[str, Any]:
    """Make the face in one video speak other words.

    Returns the summary, as that of a manifest with one job.

    Args:
        video: The picture: a path where the flow runs, or a URI.
        speech: Sound file, or video whose sound it is; none with turns.
        out: Video to write where the flow runs; an earlier dubbing there is replaced once the new one is whole.
        turns: Cut list, CSV or RTTM: who speaks when, in a film of several people.
        speeches: Of turns: speech of a person, by name.
        people: Of turns: place or picture of a person, by name.
        keep_sound: Of turns: what stays of the film's own sound.
        face: speaking for the face that the video's own sound belongs to; 1 for the largest face of each shot, 2 for
            the next largest, and so on.
        length: Output as long as the picture, as the speech, or the picture looped to the speech.
        preserve: How the picture is written where nothing is painted.
        appearance_from: Video or picture whose face lends its lower half.
        finetune: Seconds of the video's own face that the translator learns from first.
        generator: Landmark generator, as of `dub`.
        translator: Landmark translator, as of `dub`.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        sign: As of `dub`.
        accept: Acceptance policy that every finished file is measured against; else as the settings say.
        on_fail: Done with a dub in which a shot fails: keep and name it, keep the source's picture in such shots, or
            refuse it; else as the settings say.

    Raises: HeterodubError - a file, the models or the store; the text says what to do. BatchError - it could not be
    dubbed; the text says why.
    """
    dub = {"accept": accept, "on_fail": on_fail}
    settings = load_settings(config, workspace=workspace, provenance={"sign": sign}, dub=dub)
    said = {"speech": speech, "turns": turns, "speeches": speeches or {}, "people": people or {}}
    looks = {"face": face, "length": length, "appearance_from": appearance_from, "finetune": finetune}
    job = job_of({"video": video, "out": out, "keep_sound": keep_sound, "preserve": preserve, **said, **looks})
    check_dub([job], generator, translator, settings)
    return _dubbed([job], generator, translator, settings, resume=False)


def _dubbed(
    jobs: Sequence[DubJob], generator: str | None, translator: str | None, settings: Settings, resume: bool
) -> dict[str, Any]:
    outcomes = dub_jobs(jobs, generator, translator, settings, resume)
    log_dubs(jobs, outcomes, settings)
    show_dubbings(outcomes)
    summary = summary_of(outcomes)
    if summary["state"] == "failed":
        raise BatchError(outcomes[0]["error"] if len(outcomes) == 1 else "no job was dubbed", summary)
    return summary
