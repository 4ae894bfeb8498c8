"""Resolution of a traced name: any registered model, else footage, else suggestions."""

from pathlib import Path

import pytest

from heterodub.schemas.cards import FINETUNED
from heterodub.schemas.config.baselines import BASELINES
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.lineage.plan import TakedownPlan
from heterodub.tasks.lineage.trace import trace
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage


def test_unknown_name_is_searched_among_models_and_speakers(tmp_path: Path):
    ws = footage.make(tmp_path / "ws")
    settings = Settings(workspace=ws.root)
    speaker = tables.read(ws, "clips", ["speaker"])["speaker"].to_pylist()[0]
    summary = trace(settings, speaker)
    assert isinstance(summary, TakedownPlan) and summary.scope.kind == "speaker"
    with pytest.raises(NotFoundError, match=f"no speaker is called .*did you mean .*{speaker}.*; no file or clip"):
        trace(settings, f"{speaker[:-1]}~")
    with pytest.raises(NotFoundError, match="did you mean landmark-generator"):
        trace(settings, "landmarkgenerator@champion")
    with pytest.raises(NotFoundError, match="heterodub train stage1"):
        trace(settings, "landmark-generator@champion")


@pytest.mark.parametrize("name", ["landmark-generator", "landmark-translator", FINETUNED, *BASELINES])
def test_model_name_is_not_taken_for_a_file(tmp_path, name):
    settings = Settings(workspace=Workspace.open(str(tmp_path / "ws"), create=True).root)
    with pytest.raises(NotFoundError, match=f"no {name} is registered yet: `heterodub (train|finetune) .*` makes one"):
        trace(settings, f"{name}/1")
