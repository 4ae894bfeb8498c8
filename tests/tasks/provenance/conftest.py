"""A film of a few grey pictures, a certificate for trials, and a film that is signed with it."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.tasks.provenance.certificate import Signer, open_signer
from heterodub.tasks.provenance.manifest import DubRecord, ModelMark
from heterodub.tasks.provenance.signing import begin, finish
from heterodub.tasks.provenance.trial import write_trial_certificate

RECORD = DubRecord(
    "1.2", "a" * 64, ("b" * 64,), None, ModelMark("generator 3", "c" * 64), ModelMark("warp", None), False, 10, False
)

Sign = Callable[..., tuple[str, ...]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """Certificate and key."""
    return write_trial_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def signer(certificate) -> Signer:
    return open_signer(ProvenanceSettings(certificate=certificate[0], private_key=certificate[1]))


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """Ten small pictures without any mark. Do not write to it."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        video = file.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        for number in range(10):
            picture = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(video.encode(None))
    return path


@pytest.fixture(scope="session")
def sign(signer) -> Sign:
    """sign(rendered, signed, source): the notes."""

    def work(rendered: Path, signed: Path, source: Path, by: Signer = signer) -> tuple[str, ...]:
        return finish(by.sign(begin(rendered, signed, RECORD, by.certificate, str(source))))

    return work


@pytest.fixture(scope="session")
def signed(film, sign, tmp_path_factory) -> Path:
    """The film, signed, with itself as its source. Do not write to it."""
    path = tmp_path_factory.mktemp("signed") / "signed.mp4"
    assert sign(film, path, film) == ()
    return path
