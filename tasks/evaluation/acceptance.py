"""Dubbing with acceptance: a finished file is measured before it is put into its place.

The order is encode, accept, publish. A file that cannot be measured is not accepted: that is an error of the job.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from heterodub.schemas.acceptance import Acceptance, AcceptancePolicy, ShotVerdict
from heterodub.schemas.config.choices import OnFail
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.dub import DubPlan, plan_dub, render
from heterodub.tasks.dubbing.dub_inputs import DubInputs, open_inputs
from heterodub.tasks.dubbing.jobs import Dubbed, readable
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.evaluation.acceptance_evidence import evidence_of, write_small_film
from heterodub.tasks.evaluation.acceptance_reports import AcceptedDub, small_film_of
from heterodub.tasks.evaluation.shot_measures import FilmMeter, MeasuredShot, measured_shots
from heterodub.tasks.evaluation.verdict import judge
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.monitoring.progress import ProgressSink


def dub_accepted(
    job: DubJob,
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    progress: ProgressSink | None,
    rendered: Path,
    policy: AcceptancePolicy | None,
) -> AcceptedDub:
    """Dub one video into `rendered`, and measure it; its small film lies beside it, see `small_film_of`.

    policy: None leaves it unmeasured. A dub that fails is rendered all the same: whoever publishes it decides.

    Raises: as dub.dub.
    """
    with open_inputs(job, models, backend, settings, progress) as inputs:
        return rendered_and_accepted(inputs, plan_dub(inputs), rendered, policy)


def rendered_and_accepted(
    inputs: DubInputs, plan: DubPlan, rendered: Path, policy: AcceptancePolicy | None
) -> AcceptedDub:  # fmt: skip
    """Render a plan, and measure it; see dub_accepted.

    Raises: as dub.render, FilmMeter.pairs.
    """
    dubbed = render(inputs, plan, rendered)
    if policy is None:
        return AcceptedDub(dubbed)
    began = time.process_time()
    shots = measure(inputs, plan, rendered)
    return accepted(inputs, plan, rendered, dubbed, policy, shots, time.process_time() - began)


def accepted(
    inputs: DubInputs,
    plan: DubPlan,
    rendered: Path,
    dubbed: Dubbed,
    policy: AcceptancePolicy,
    shots: Sequence[MeasuredShot],
    spent: float,
) -> AcceptedDub:
    """Judge a rendered file by the measures of its shots; where failed shots are to show the source, render and measure
    it once more. spent: processor seconds of measuring.

    Raises: as rendered_and_accepted.
    """
    on_fail = inputs.settings.dub.on_fail
    verdicts = [judge(shot.measures, policy) for shot in shots]
    if on_fail == "keep-source" and any(verdict.broken for verdict in verdicts):
        plan = _without_failed(plan, shots, verdicts)
        dubbed, began = render(inputs, plan, rendered), time.process_time()
        shots, verdicts = _measured_again(inputs, plan, rendered, shots, verdicts, policy)
        spent += time.process_time() - began
    acceptance = _acceptance(policy, on_fail, verdicts, dubbed, spent)
    notes = (*dubbed.notes, *acceptance.lines())
    return AcceptedDub(replace(dubbed, acceptance=acceptance, notes=notes), evidence_of(shots, verdicts))


def measure(inputs: DubInputs, plan: DubPlan, finished: Path) -> Sequence[MeasuredShot]:
    """Measure every shot of a finished file, by time, and write its small film.

    Raises: as FilmMeter.pairs.
    """
    inputs.monitor.progress.phase("measure", plan.timeline.frames)
    limits, scratch = inputs.settings.limits, inputs.scratch
    with readable(str(finished)), SpeechSource.open(finished, limits, scratch, is_heard=False) as sound:
        meter = FilmMeter(inputs, plan, finished)
        write_small_film(small_film_of(finished), meter, sound, float(plan.timeline.end_s))
        return measured_shots(inputs, plan, meter.values, sound)


def _without_failed(plan: DubPlan, shots: Sequence[MeasuredShot], verdicts: Sequence[ShotVerdict]) -> DubPlan:
    """Return the plan with the source's picture in the shots that failed. The sound stays the new speech: a voice that
    changes its language in mid-scene would be worse than lips that are not in step, and it is what frames that pass
    through have, too.
    """
    failed = {shot.segment for shot, verdict in zip(shots, verdicts, strict=True) if verdict.broken}
    return replace(plan, parts=[replace(part, is_shown=False) if part in failed else part for part in plan.parts])


def _measured_again(
    inputs: DubInputs,
    plan: DubPlan,
    rendered: Path,
    shots_before: Sequence[MeasuredShot],
    verdicts_before: Sequence[ShotVerdict],
    policy: AcceptancePolicy,
) -> tuple[list[MeasuredShot], list[ShotVerdict]]:
    """Measure the file in which failed shots show the source. Of those the earlier measures and evidence stand."""
    shots, verdicts = [], []
    again = measure(inputs, plan, rendered)
    for now, shot, verdict in zip(again, shots_before, verdicts_before, strict=True):
        shots.append(shot if verdict.broken else now)
        verdicts.append(replace(verdict, state="source_kept") if verdict.broken else judge(now.measures, policy))
    return shots, verdicts


def _acceptance(
    policy: AcceptancePolicy, on_fail: OnFail, verdicts: Sequence[ShotVerdict], dubbed: Dubbed, spent: float
) -> Acceptance:
    name = f"{policy.name} {policy.version} ({policy.hash})"
    return Acceptance(name, on_fail, tuple(verdicts), dubbed.passed_through / dubbed.frames, spent)
