"""A dubbing right after installation: no workspace, no model named."""

import av

from heterodub.flows.cli.render.ingest import show_dubbings
from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.jobs import summary_of
from heterodub.tasks.dubbing.model_lookup import STAND_INS
from heterodub.tasks.monitoring.progress import ProgressSink


def test_dub_in_an_empty_folder_names_what_ships(head, speech, settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    job = DubJob(video=str(head), speech=str(speech), out="out.mp4")
    (outcome,) = dub_jobs([job], None, None, settings, ProgressSink())
    assert outcome.error is None
    with av.open("out.mp4") as film:
        comment = film.metadata["comment"]
    assert "landmarks=builtin landmark-generator, weights " in comment
    show_dubbings(summary_of([outcome.summary()]))
    shown = " ".join(capsys.readouterr().out.split())
    assert "landmarks by builtin landmark-generator, weights " in shown
    assert all(f"{name} stands in for a champion of {kind}" in shown for kind, name in STAND_INS.items())
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["out.mp4"]
