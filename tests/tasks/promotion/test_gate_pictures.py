"""The promotion gate for translators on drawn talkers: a trained one and one with perturbed weights."""

import io
import shutil
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from heterodub.model.io import load_discriminators, load_translator, save_model
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.cards import TRANSLATOR
from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.promotion import PromotionPolicy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion import decision, gate, translator_evaluator
from heterodub.tasks.promotion.candidates import Candidates, ModelScores
from heterodub.tasks.promotion.decision import decide
from heterodub.tasks.promotion.evaluators import TRANSLATOR_DIRECTIONS
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.stores.workspace import TRACKING, Workspace
from heterodub.tasks.tracking.kinds import LANDMARK_TRANSLATOR
from heterodub.tasks.tracking.lineage import keep_lineage
from heterodub.tasks.tracking.models import log_model
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import open_tracking
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage2 import translator_spec
from tests.tasks.promotion.trials import MOST_WINS, TRIALS, drawn, swapped
from tests.tasks.training.face_release import face_release
from tests.tasks.training.recorder import RecordingCallback

POLICY = """
name = "short"
version = 1
[resampling]
resamples = 1000
[models.landmark-translator]
primary = "perceptual_heldout_lower"
minimum_effect = 0.02
references = 4
least_clips = 6
least_speakers = 6
[models.landmark-translator.tolerances]
sharpness_mouth = 0.15
psnr_mouth = 0.5
[models.landmark-translator.costs]
parameters = 2.0
memory_mib = 2.0
"""
RULES = PromotionPolicy.model_validate(tomllib.loads(POLICY))


@pytest.fixture(scope="module")
def eval_window(tmp_path_factory) -> Workspace:
    return face_release(tmp_path_factory.mktemp("face_release") / "w", speakers=26, frames=14)


@pytest.fixture(scope="module")
def trained(eval_window, tmp_path_factory) -> dict[str, Path]:
    selection = select(eval_window, find_release(eval_window, None), Stage.STAGE2)
    schedule = {"max_steps": 4, "eval_interval": 4, "save_interval": 4}
    settings = Stage2Settings(preset="tiny", schedule=schedule, losses={"disc_start_step": 2})
    folder = tmp_path_factory.mktemp("trained")
    good = run_training(translator_spec(selection, settings, WeightSettings()), folder / "t", RecordingCallback()).model
    for name, force in (("nudged", 0.01), ("shaken", 0.5)):
        translator, card = load_translator(good)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in translator.parameters():
                parameter += force * torch.randn_like(parameter)
        save_model(folder / name, translator, card, load_discriminators(good))
    large = card.model_copy(
        update={"architecture": card.architecture.model_copy(update={"side_px": 2 * card.architecture.side_px})}
    )
    save_model(
        folder / "large",
        LandmarkTranslator(large.architecture),
        large,
        Discriminators(large.discriminators, large.window_frames),
    )
    return {"good": good, **{name: folder / name for name in ("nudged", "shaken", "large")}}


@pytest.fixture
def settings(eval_window, empty_database, tmp_path) -> Settings:
    made = Path(shutil.copytree(eval_window.root, tmp_path / "w"))
    (made / TRACKING).mkdir()
    shutil.copy(empty_database, made / TRACKING / "mlflow.db")
    (tmp_path / "policy.toml").write_text(POLICY)
    return Settings(workspace=str(made), promotion=tmp_path / "policy.toml")


def register(settings: Settings, folder: Path) -> int:
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    with tracked_run(open_tracking(settings.tracking, workspace), "a test") as run:
        run.data(workspace, selection.release, Stage.STAGE2)
        keep_lineage(run, [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in selection.train])
        return log_model(run, folder, LANDMARK_TRANSLATOR).number


@pytest.fixture(scope="module")
def sheets(eval_window, trained, tmp_path_factory) -> dict[str, ModelScores]:
    """Scores of the trained translator, of one that hardly differs, and of the shaken one, on the same benchmark."""
    workspace = Workspace.open(str(shutil.copytree(eval_window.root, tmp_path_factory.mktemp("scored") / "w")))
    release, rule = find_release(workspace, None), RULES.rule(TRANSLATOR)
    benchmark = benchmarks.freeze(workspace, release, Stage.STAGE2, "a test")
    names = ("good", "nudged", "shaken")
    folders = dict(enumerate((trained[name] for name in names), 1))
    candidates = Candidates(workspace, Settings(workspace=workspace.root), release, benchmark, rule, folders)
    graded = translator_evaluator.evaluate(candidates)
    return dict(zip(names, graded, strict=True))


def wins(challenger: ModelScores, champion: ModelScores) -> bool:
    return (
        decide(challenger, champion, TRANSLATOR_DIRECTIONS, RULES.rule(TRANSLATOR), RULES.resampling, {}).outcome
        == "promote"
    )


def test_translator_has_to_beat_its_controls(sheets):
    assert {"generated", "copy", "warp", "nearest frame oracle", "ground truth"} == set(sheets["shaken"].systems())
    assert sheets["good"].costs["parameters"] == sheets["shaken"].costs["parameters"] > 0
    beats_copy = RULES.rule(TRANSLATOR).model_copy(update={"controls": {"copy": 0.0}})
    refused = decide(sheets["shaken"], None, TRANSLATOR_DIRECTIONS, beats_copy, RULES.resampling, {})
    assert refused.outcome == "keep" and "copy" in refused.reason
    warped = {row.clip_id: row.metrics for row in sheets["good"].clip_scores if row.system == "warp"}
    assert warped == {row.clip_id: row.metrics for row in sheets["shaken"].clip_scores if row.system == "warp"}


def test_worse_translator_is_never_promoted_in_100_trials(sheets):
    draw = np.random.default_rng(1)
    assert not any(wins(*drawn(draw, sheets["shaken"], sheets["good"])) for _ in range(TRIALS))
    assert wins(sheets["good"], sheets["shaken"])


def test_equal_translator_is_promoted_at_most_at_the_nominal_rate(sheets):
    draw = np.random.default_rng(2)
    pairs = (swapped(draw, *drawn(draw, sheets["good"], sheets["nudged"])) for _ in range(TRIALS))
    assert sum(wins(one, other) for one, other in pairs) <= MOST_WINS


@pytest.mark.long
def test_better_translator_is_promoted_and_rendered(settings, trained):
    bad, good = register(settings, trained["shaken"]), register(settings, trained["good"])
    first = gate.open_comparison(settings, "stage2", str(bad))
    unasked = decision.PromotionDecision("promote", "a test", 0, 0, ())
    gate.promote(first, unasked, "a run")
    comparison = gate.open_comparison(settings, TRANSLATOR, None)
    assert (comparison.challenger.number, comparison.champion.number) == (good, bad)
    verdict = gate.decide(comparison, gate.score(comparison))
    assert verdict.outcome == "promote", verdict.reason
    gate.promote(comparison, verdict, "a run")
    clip = comparison.benchmark.clips[0].clip_id
    with gate.fetched(comparison) as candidates:
        shown = comparison.evaluator.load().render(candidates, [clip])[clip]
    assert set(shown.pictures) == {bad, good}
    assert all(png.startswith(b"\x89PNG") for own in shown.pictures.values() for png in own)
    (film,) = shown.films.values()  # of stored crops: no raw files here
    with av.open(io.BytesIO(film)) as video:
        assert video.streams.video[0].width == 3 * 64  # either version, and the truth


def test_translators_of_different_sizes_are_not_compared(settings, trained):
    good, large = register(settings, trained["good"]), register(settings, trained["large"])
    comparison = gate.open_comparison(settings, "stage2", str(good))
    assert comparison.champion is None
    gate.promote(comparison, decision.PromotionDecision("promote", "a test", 0, 0, ()), "a run")
    with pytest.raises(PromotionError, match="different sizes"):
        gate.score(gate.open_comparison(settings, "stage2", str(large)))
