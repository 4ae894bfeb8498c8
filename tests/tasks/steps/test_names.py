import pytest
from prefect.runtime import flow_run

from heterodub.tasks.steps.names import run_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"stage": "stage1", "preset": "tiny", "workspace": "/ws"}, "train stage1 tiny"),
        ({"stage": "stage1", "preset": None}, "train stage1"),
        ({"stage": "s3://key:secret@host/bucket/interviews", "dry": True, "preset": False}, "train interviews dry"),
        ({"stage": ["/a/one.toml", "/b/two.toml"]}, "train one.toml, two.toml"),
        ({"stage": "x" * 200}, "train " + "x" * 57 + "..."),
    ],
)
def test_runs_are_named_by_what_they_are_asked_for(monkeypatch, given, name):
    monkeypatch.setattr(flow_run, "get_parameters", lambda: given)
    assert run_name("train", "stage", "preset", "dry")() == name
