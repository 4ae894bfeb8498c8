"""Appearance from elsewhere: another video's face, a picture's, and what has none."""

import errno
import os
from contextlib import nullcontext

import cv2
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.dubbing import references
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.references import load_references
from tests.flows.heads import head as head_pictures
from tests.tasks.media.media_files import regular, write_media


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same face in red light, as a picture."""
    path = tmp_path_factory.mktemp("other") / "red.png"
    red = (head_pictures(3, 1)[0] * [1.0, 0.35, 0.35]).astype(np.uint8)
    cv2.imwrite(str(path), red[..., ::-1])
    return path


def test_picture_is_an_appearance_source(other, backend, settings, tmp_path):
    shown = load_references(other, backend, settings, 64, tmp_path)
    assert shown.pictures.shape == (1, 64, 64, 3)
    assert shown.landmarks.shape == (1, 216, 2)
    assert 5 < shown.landmarks.min() < shown.landmarks.max() < 59
    assert shown.pictures[..., 0].mean() > 1.5 * shown.pictures[..., 1].mean()


def test_video_is_an_appearance_source(head, backend, settings, tmp_path):
    shown = load_references(head, backend, settings, 64, tmp_path)
    assert shown.pictures.shape == (8, 64, 64, 3)  # a third of its 25 pictures
    assert (shown.pictures.reshape(8, -1).std(axis=1) > 10).all()


def test_appearance_source_supplies_the_references(other, head, speech, models, backend, settings, tmp_path):
    out = {}
    for name, lender in (("own", None), ("lent", str(other))):
        job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / f"{name}.mp4"), appearance_from=lender)
        assert dub(job, models, backend, settings).dubbed == 25
        out[name] = (tmp_path / f"{name}.mp4").read_bytes()
    assert out["own"] != out["lent"]


def test_appearance_source_without_a_face_is_refused(head, speech, models, backend, settings, tmp_path):
    faceless = write_media(tmp_path / "blocks.mp4", regular(8))
    with pytest.raises(MediaRefusedError) as caught:
        load_references(faceless, backend, settings, 64, tmp_path)
    assert caught.value.reason is FileReason.NO_FACE
    job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"), appearance_from=str(faceless))
    with pytest.raises(SourceError, match=r"blocks\.mp4.*no face"):
        dub(job, models, backend, settings)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EOPNOTSUPP])
def test_full_disk_is_an_error_before_the_crops_are_mapped(number, tmp_path, monkeypatch):
    """A file system that reserves no room is no error."""

    def refuse(*_) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space") if number == errno.ENOSPC else nullcontext():
        assert references._on_disk((2, 8, 8, 3), tmp_path).shape == (2, 8, 8, 3)
