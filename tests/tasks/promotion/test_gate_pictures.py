"""The gate for landmark translators: real painters on painted talkers, a trained one and one with shaken weights."""

import shutil
from pathlib import Path

import pytest
import torch

from model.stage2.critics import Critics
from model.stage2.files import load_critics, load_translator, save_translator
from model.stage2.network import Painter
from schemas.cards import TRANSLATOR
from schemas.errors import PromotionError
from schemas.reasons import Stage
from schemas.settings import Settings, WeightSettings
from schemas.translation import Stage2Settings
from tasks.learning.selection import find_release, select
from tasks.learning.stage2 import train_translator
from tasks.promotion import gate
from tasks.promotion.deciding import decide
from tasks.stores.workspace import TRACKING, Workspace
from tasks.tracking.kinds import LANDMARK_TRANSLATOR
from tasks.tracking.lineage import keep_lineage
from tasks.tracking.models import log_model
from tasks.tracking.runs import tracked_run
from tasks.tracking.store import open_tracking
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.sitters import sitters

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
    painter, card = load_translator(good)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
    save_translator(folder / "shaken", painter, load_critics(good), card)
    large = card.model_copy(update={"shape": card.shape.model_copy(update={"side_px": 2 * card.shape.side_px})})
    save_translator(folder / "large", Painter(large.shape), Critics(large.critics, large.window_frames), large)
    return {"good": good, "shaken": folder / "shaken", "large": folder / "large"}


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


def test_the_better_painter_wins_and_the_worse_one_does_not(settings, trained):
    bad = register(settings, trained["shaken"])
    first = gate.open_contest(settings, "stage2", str(bad))
    assert first.judge.model == TRANSLATOR
    [alone] = gate.score(settings, first)
    assert {"painted", "copy", "warp", "nearest frame", "source"} == set(alone.systems())
    beats_copy = first.rule.model_copy(update={"controls": {"copy": 0.0}})
    refused = decide(alone, None, first.judge.directions, beats_copy, first.policy.resampling)
    assert refused.outcome == "keep" and "copy" in refused.why
    unasked = gate.decide(first, [alone])
    assert unasked.why == "the policy asks nothing of a first champion"
    gate.promote(settings, first, unasked, "a run")
    good = register(settings, trained["good"])
    contest = gate.open_contest(settings, "stage2", str(good))
    sheets = gate.score(settings, contest)
    assert gate.decide(contest, sheets).outcome == "promote", gate.decide(contest, sheets).why
    gate.promote(settings, contest, gate.decide(contest, sheets), "a run")
    again = gate.open_contest(settings, TRANSLATOR, str(bad))
    both = sheets[::-1]  # the same two on the same clips; scoring them once more takes as long as all of the rest
    assert gate.decide(again, both).outcome == "keep"
    assert both[0].costs["parameters"] == both[1].costs["parameters"] > 0
    drawn = again.judge.draw(
        Workspace.open(settings.workspace),
        again.benchmark,
        {bad: trained["shaken"], good: trained["good"]},
        again.rule,
        [again.benchmark.clips[0].clip_id],
    )
    pictures = drawn[again.benchmark.clips[0].clip_id]
    assert set(pictures) == {bad, good}
    assert all(png.startswith(b"\x89PNG") for own in pictures.values() for png in own)


def test_painters_of_different_sizes_are_not_compared(settings, trained):
    good, large = register(settings, trained["good"]), register(settings, trained["large"])
    contest = gate.open_contest(settings, "stage2", str(good))
    assert contest.champion is None
    gate.promote(settings, contest, gate.decide(contest, gate.score(settings, contest)), "a run")
    with pytest.raises(PromotionError, match="different sizes"):
        gate.score(settings, gate.open_contest(settings, "stage2", str(large)))
