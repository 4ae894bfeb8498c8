from pathlib import Path

import pytest

from schemas.errors import NotFoundError
from schemas.settings import Settings
from tasks.answers.tracing import FootageTrace, trace
from tasks.stores import tables
from tests.tasks.answers import footage


def test_what_is_not_there_is_looked_for_among_models_and_speakers_too(tmp_path: Path):
    ws = footage.make(tmp_path / "ws")
    settings = Settings(workspace=ws.root)
    speaker = tables.read(ws, "clips", ["speaker"])["speaker"].to_pylist()[0]
    found = trace(settings, speaker)
    assert isinstance(found, FootageTrace) and found.kind == "speaker"
    with pytest.raises(NotFoundError, match=f"no speaker is called .*did you mean .*{speaker}.*; no file or clip"):
        trace(settings, f"{speaker[:-1]}~")
    with pytest.raises(NotFoundError, match="did you mean landmark-generator"):
        trace(settings, "landmarkgenerator@champion")
    with pytest.raises(NotFoundError, match="heterodub train stage1"):
        trace(settings, "landmark-generator@champion")
