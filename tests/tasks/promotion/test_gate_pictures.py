"""The gate for landmark translators: real painters on painted talkers, a trained one and one with shaken weights."""

import io
import shutil
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from model.stage2.critics import Critics
from model.stage2.files import load_critics, load_translator, save_translator
from model.stage2.network import Painter
from schemas.cards import TRANSLATOR
from schemas.errors import PromotionError
from schemas.promotion import PromotionPolicy
from schemas.reasons import Stage
from schemas.settings import Settings, WeightSettings
from schemas.translation import Stage2Settings
from tasks.learning.selection import find_release, select
from tasks.learning.stage2 import train_translator
from tasks.promotion import deciding, gate
from tasks.promotion.deciding import decide
from tasks.promotion.judging_pictures import grade_translators
from tasks.promotion.scored import TRANSLATOR_DIRECTIONS
from tasks.promotion.sheets import Sheet
from tasks.stores import benchmarks
from tasks.stores.workspace import TRACKING, Workspace
from tasks.tracking.kinds import LANDMARK_TRANSLATOR
from tasks.tracking.lineage import keep_lineage
from tasks.tracking.models import log_model
from tasks.tracking.runs import tracked_run
from tasks.tracking.store import open_tracking
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.sitters import sitters
from tests.tasks.promotion.trials import MOST_WINS, TRIALS, drawn, swapped

POLICY = """
name = "short"
version = 1
[resampling]
resamples = 1000
[models.landmark-translator]
primary = "pd5_lower"
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
def sitting(tmp_path_factory) -> Workspace:
    return sitters(tmp_path_factory.mktemp("sitters") / "w", speakers=26, frames=14)


@pytest.fixture(scope="module")
def trained(sitting, tmp_path_factory) -> dict[str, Path]:
    selection = select(sitting, find_release(sitting, None), Stage.STAGE2)
    pace = {"steps": 4, "validate_every": 4, "save_every": 4}
    settings = Stage2Settings(profile="tiny", pace=pace, losses={"critics_from": 2})
    folder = tmp_path_factory.mktemp("trained")
    good = train_translator(selection, settings, WeightSettings(), folder / "t", Recorder()).model
    for name, force in (("nudged", 0.01), ("shaken", 0.5)):
        painter, card = load_translator(good)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in painter.parameters():
                parameter += force * torch.randn_like(parameter)
        save_translator(folder / name, painter, load_critics(good), card)
    large = card.model_copy(update={"shape": card.shape.model_copy(update={"side_px": 2 * card.shape.side_px})})
    save_translator(folder / "large", Painter(large.shape), Critics(large.critics, large.window_frames), large)
    return {"good": good, **{name: folder / name for name in ("nudged", "shaken", "large")}}


@pytest.fixture
def settings(sitting, empty_database, tmp_path) -> Settings:
    made = Path(shutil.copytree(sitting.root, tmp_path / "w"))
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
def sheets(sitting, trained, tmp_path_factory) -> dict[str, Sheet]:
    """Scores of the trained painter, of one that hardly differs, and of the shaken one, on the same benchmark."""
    workspace = Workspace.open(str(shutil.copytree(sitting.root, tmp_path_factory.mktemp("scored") / "w")))
    benchmark = benchmarks.freeze(workspace, find_release(workspace, None), Stage.STAGE2, "a test")
    names = ("good", "nudged", "shaken")
    folders = dict(enumerate((trained[name] for name in names), 1))
    graded = grade_translators(
        workspace, Settings(workspace=workspace.root), benchmark, folders, RULES.rule(TRANSLATOR)
    )
    return dict(zip(names, graded, strict=True))


def wins(challenger: Sheet, champion: Sheet) -> bool:
    return (
        decide(challenger, champion, TRANSLATOR_DIRECTIONS, RULES.rule(TRANSLATOR), RULES.resampling).outcome
        == "promote"
    )


def test_a_painter_is_graded_beside_its_baselines_and_has_to_beat_them(sheets):
    assert {"painted", "copy", "warp", "nearest frame", "source"} == set(sheets["shaken"].systems())
    assert sheets["good"].costs["parameters"] == sheets["shaken"].costs["parameters"] > 0
    beats_copy = RULES.rule(TRANSLATOR).model_copy(update={"controls": {"copy": 0.0}})
    refused = decide(sheets["shaken"], None, TRANSLATOR_DIRECTIONS, beats_copy, RULES.resampling)
    assert refused.outcome == "keep" and "copy" in refused.why
    warped = {row.clip_id: row.scores for row in sheets["good"].graded if row.system == "warp"}
    assert warped == {row.clip_id: row.scores for row in sheets["shaken"].graded if row.system == "warp"}


def test_in_a_hundred_trials_a_worse_painter_never_wins_and_a_better_one_wins(sheets):
    draw = np.random.default_rng(1)
    assert not any(wins(*drawn(draw, sheets["shaken"], sheets["good"])) for _ in range(TRIALS))
    assert wins(sheets["good"], sheets["shaken"])


def test_an_equal_painter_wins_at_most_at_the_stated_rate(sheets):
    draw = np.random.default_rng(2)
    pairs = (swapped(draw, *drawn(draw, sheets["good"], sheets["nudged"])) for _ in range(TRIALS))
    assert sum(wins(one, other) for one, other in pairs) <= MOST_WINS


@pytest.mark.long
def test_the_better_painter_wins_and_is_drawn_beside_the_worse_one(settings, trained):
    bad, good = register(settings, trained["shaken"]), register(settings, trained["good"])
    first = gate.open_contest(settings, "stage2", str(bad))
    unasked = deciding.Verdict("promote", "a test", 0, 0, ())
    gate.promote(settings, first, unasked, "a run")
    contest = gate.open_contest(settings, TRANSLATOR, None)
    assert (contest.challenger.number, contest.champion.number) == (good, bad)
    verdict = gate.decide(contest, gate.score(settings, contest))
    assert verdict.outcome == "promote", verdict.why
    gate.promote(settings, contest, verdict, "a run")
    clip = contest.benchmark.clips[0].clip_id
    folders = {good: trained["good"], bad: trained["shaken"]}
    workspace = Workspace.open(settings.workspace)
    shown = contest.judge.draw(workspace, settings, contest.benchmark, folders, contest.rule, [clip])[clip]
    assert set(shown.pictures) == {bad, good}
    assert all(png.startswith(b"\x89PNG") for own in shown.pictures.values() for png in own)
    with av.open(io.BytesIO(shown.film)) as film:
        assert film.streams.video[0].width == 3 * 64  # either version, and the truth


def test_painters_of_different_sizes_are_not_compared(settings, trained):
    good, large = register(settings, trained["good"]), register(settings, trained["large"])
    contest = gate.open_contest(settings, "stage2", str(good))
    assert contest.champion is None
    gate.promote(settings, contest, deciding.Verdict("promote", "a test", 0, 0, ()), "a run")
    with pytest.raises(PromotionError, match="different sizes"):
        gate.score(settings, gate.open_contest(settings, "stage2", str(large)))
