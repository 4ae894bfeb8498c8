"""Whole dubbings of a real face: a video of the same kind comes out, dubbed, and does not show how it was cut."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.compositing import composite
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.models import Models
from tests.flows.heads import head as head_pictures
from tests.flows.heads import write_head
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.faces.covered import passing, talker
from tests.tasks.media.media_files import regular, tone, write_media


def decoded_pictures(path):
    """(N, H, W, 3) pictures as decoded, and their times in seconds."""
    with av.open(str(path)) as film:
        frames = list(film.decode(film.streams.video[0]))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [frame.time for frame in frames]


def decoded_sound(path):
    """(C, N) samples and their rate; the encoder's own delay is taken off, as players do."""
    with av.open(str(path)) as film:
        stream = film.streams.audio[0]
        frames = list(film.decode(stream))
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), stream.rate


@pytest.fixture(scope="module")
def dubbed(head, speech, models, backend, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("dubbed") / "out.mp4"
    return out, dub(DubJob(video=str(head), speech=str(speech), out=str(out)), models, backend, settings)


def test_generator_may_read_senone_scores(head, speech, models, backend, settings, tmp_path):
    shape = models.card.architecture.model_copy(update={"speech_features": "mel+senones"})
    reading = replace(
        models, generator=LandmarkGenerator(shape), card=models.card.model_copy(update={"architecture": shape})
    )
    out = tmp_path / "out.mp4"
    dub(DubJob(video=str(head), speech=str(speech), out=str(out)), reading, backend, settings)
    assert len(decoded_pictures(out)[0]) == len(decoded_pictures(head)[0])


def test_output_has_the_source_s_size_times_and_length(dubbed, head):
    out, result = dubbed
    pictures, times = decoded_pictures(out)
    before, times_before = decoded_pictures(head)
    assert pictures.shape == before.shape
    assert times == pytest.approx(times_before)
    with av.open(str(out)) as film:
        video, voice = film.streams.video[0], film.streams.audio[0]
        assert (video.codec_context.name, voice.codec_context.name) == ("h264", "aac")
        assert video.average_rate == 25
        assert abs(float(voice.duration * voice.time_base) - 1.0) < 0.05
    assert (result.frames, result.dubbed, result.seconds) == (25, 25, 1.0)


def test_dub_changes_only_the_mouth(dubbed, head):
    pictures, before = decoded_pictures(dubbed[0])[0].astype(int), decoded_pictures(head)[0].astype(int)
    off = np.abs(pictures - before).mean(axis=(0, 3))
    assert off[150:, :].max() > 12 or off.max() > 12
    assert off[:60].mean() < 3
    rows, _ = np.nonzero(off > 10)
    assert rows.min() > 60


def test_output_metadata_declares_synthetic_and_models(dubbed):
    with av.open(str(dubbed[0])) as film:
        comment = film.metadata["comment"]
    assert comment.startswith("synthetic")
    assert "compositeWithTrainedAlgorithmicMedia" in comment
    assert "landmarks=landmark-generator of a test; translator=warp" in comment


def test_summary_holds_seconds_by_pass(dubbed):
    result = dubbed[1].summary()
    assert result["frames"] == result["dubbed"] + result["passed_through"]
    assert {"decode", "faces", "stage 1", "translate", "compose", "encode"} <= set(result["seconds_by"])
    assert max(result["seconds_by"].values()) <= result["took_s"]  # passes go side by side, so a sum may be more
    assert result["realtime_factor"] > 0


@pytest.mark.parametrize("chunk", [1, 3, 512])
def test_output_does_not_depend_on_the_chunk_size(chunk, laid, painted):
    for whole, part in zip(laid, painted(chunk), strict=True):
        assert np.abs(whole.astype(int) - part).max() <= 1


def watched_by(taken):
    """The compositing of a dubbing, whose frames' samples are taken, too."""

    def watched(*given):
        for one in composite(*given):
            taken.append(one.frame.to_ndarray())
            yield one

    return watched


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """Half a second of the same face."""
    return write_head(tmp_path_factory.mktemp("brief") / "head.mp4", 0, 13)


@pytest.fixture(scope="module")
def painted(brief, speech, models, backend, settings, tmp_path_factory):
    """painted(chunk): the luma of every frame that goes to the encoder."""
    folder = tmp_path_factory.mktemp("chunks")

    def work(chunk, using=models):
        taken = []
        changed = Settings(**(settings.model_dump() | {"dub": settings.dub.model_dump() | {"chunk_frames": chunk}}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("heterodub.tasks.dubbing.dub.composite", watched_by(taken))
            dub(DubJob(video=str(brief), speech=str(speech), out=str(folder / "out.mp4")), using, backend, changed)
        return taken

    return work


@pytest.fixture(scope="module")
def laid(painted):
    return painted(4)


def test_translator_context_crosses_chunks(painted, models):
    def off(translator):
        using = Models(models.generator, models.card, translator, models.names)
        pairs = zip(painted(512, using), painted(3, using), strict=True)
        return max(np.abs(one.astype(int) - other).max() for one, other in pairs)

    assert off(Neighbours(64)) <= 1
    assert off(Forgetful(64)) > 1


class Neighbours(WarpTranslator):
    """Gives the mean of what it was given two frames before and behind, turned upside down to be seen."""

    context = 2

    def translate(self, appearance, pictures, source, wanted, path=None):
        around = np.pad(pictures[:, ::-1].astype(np.float32) / 255, ((2, 2), (0, 0), (0, 0), (0, 0)), mode="edge")
        return np.mean([around[shift : shift + len(pictures)] for shift in range(5)], axis=0)


class Forgetful(Neighbours):
    """Says that it needs no neighbours, though it does."""

    context = 0


def test_before_encoding_all_samples_outside_of_the_face_are_the_source_s(laid, brief):
    with av.open(str(brief)) as film:
        before = [frame.to_ndarray() for frame in film.decode(video=0)]
    changed = np.array([after != same for after, same in zip(laid, before, strict=True)])
    assert changed[:, :256].any(axis=(1, 2)).all()
    assert changed[:, :256].mean() < 0.2
    rows, columns = np.nonzero(changed[:, :256].any(axis=0))
    assert rows.min() > 60
    assert columns.min() > 10


def test_pictures_without_the_face_pass_through_untouched_and_are_counted(
    speech, models, backend, settings, tmp_path, painted_of
):
    blank = np.full((256, 256, 3), 90, np.uint8)
    pictures = [blank] * 8 + head_pictures(2, 16) + [blank] * 6
    video = write_media(tmp_path / "some.mp4", regular(30), size=(256, 256), pictures=pictures)
    result, frames = painted_of(video, speech, tmp_path / "out.mp4")
    assert result.passed_through == 14
    with av.open(str(video)) as film:
        before = [frame.to_ndarray() for frame in film.decode(video=0)]
    same = [bool((one == other).all()) for one, other in zip(frames, before, strict=True)]
    assert same == [True] * 8 + [False] * 16 + [True] * 6


@pytest.fixture
def painted_of(models, backend, settings, monkeypatch):
    def work(video, speech, out, **options):
        taken = []
        monkeypatch.setattr("heterodub.tasks.dubbing.dub.composite", watched_by(taken))
        summary = dub(DubJob(video=str(video), speech=str(speech), out=str(out), **options), models, backend, settings)
        return summary, taken

    return work


def test_covered_mouth_passes_through_untouched_and_is_counted(speech, tmp_path, painted_of):
    pictures = passing(talker("s01", 50), "s01", "hand", 20, 28)
    video = write_media(tmp_path / "covered.mp4", regular(50), size=(320, 320), pictures=pictures)
    result, frames = painted_of(video, speech, tmp_path / "out.mp4")
    with av.open(str(video)) as film:
        before = [frame.to_ndarray() for frame in film.decode(video=0)]
    same = np.array([bool((one == other).all()) for one, other in zip(frames, before, strict=True)])
    assert same[20:28].all()
    assert not same[:10].any()
    assert not same[38:].any()
    assert result.covered == result.passed_through == same.sum() <= 20
    assert result.summary()["covered"] == result.covered
    assert any(
        note == f"something lies over the mouth in {result.covered} frames, which are left alone"
        for note in result.notes
    )


def test_never_visible_mouth_is_an_error(speech, tmp_path, painted_of):
    pictures = passing(talker("s01", 25), "s01", "mask", -99, 99)
    video = write_media(tmp_path / "masked.mp4", regular(25), size=(320, 320), pictures=pictures)
    with pytest.raises(DubbingError, match="lies over the mouth"):
        painted_of(video, speech, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_audio_and_video_are_in_sync(models, backend, settings, tmp_path):
    at, rate_hz = 17, 48_000
    pictures = head_pictures(1, 30)
    pictures[at] = pictures[at].copy()
    pictures[at][:24, :24] = 255
    for number, picture in enumerate(pictures):
        if number != at:
            pictures[number] = picture.copy()
            pictures[number][:24, :24] = 0
    video = write_media(tmp_path / "flash.mp4", regular(30, Fraction(30)), size=(256, 256), pictures=pictures)
    click = np.zeros((1, rate_hz), np.float32)
    click[0, round(at / 30 * rate_hz) :][:200] = 0.9
    speech = write_wav(tmp_path / "click.wav", click, rate_hz)
    dub(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models, backend, settings)
    after, times = decoded_pictures(tmp_path / "out.mp4")
    flash_s = times[int(after[:, 4:20, 4:20].mean(axis=(1, 2, 3)).argmax())]
    samples, rate = decoded_sound(tmp_path / "out.mp4")
    click_s = int(np.abs(samples[0]).argmax()) / rate
    assert abs(click_s - flash_s) < 1 / 30


@pytest.mark.parametrize(
    ("length", "frames", "seconds"), [("picture", 25, 1.0), ("speech", 38, 1.5), ("loop", 38, 1.5)]
)
def test_length_rules(length, frames, seconds, head, speech, models, backend, settings, tmp_path):
    job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"), length=length)
    summary = dub(job, models, backend, settings)
    assert (summary.frames, summary.dubbed, summary.seconds) == (frames, frames, seconds)
    pictures, _ = decoded_pictures(tmp_path / "out.mp4")
    assert len(pictures) == frames
    before, _ = decoded_pictures(head)
    shown = before[24] if length == "speech" else before[37 - 25]
    if frames > 25:
        assert np.abs(pictures[37][:50].astype(int) - shown[:50]).mean() < 4


@pytest.mark.parametrize("seconds", [0.2, 3.0])
def test_short_and_silent_speech_is_dubbed_too(seconds, head, models, backend, settings, tmp_path):
    speech = write_wav(tmp_path / "quiet.wav", np.zeros((2, round(16_000 * seconds))))
    summary = dub(DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4")), models, backend, settings)
    assert summary.dubbed == 25
    assert any("silent" in note for note in summary.notes)
    assert any("shorter than the picture" in note for note in summary.notes) == (seconds < 1)
    assert np.abs(decoded_sound(tmp_path / "out.mp4")[0]).max() < 1e-3


def test_rotated_portrait_stays_rotated_and_is_dubbed(speech, tmp_path, painted_of):
    lying = [np.ascontiguousarray(np.rot90(picture, 1)[:, :240]) for picture in head_pictures(0, 12)]
    video = write_media(tmp_path / "phone.mp4", regular(12), size=(240, 256), pictures=lying, rotation=(-90, False))
    result, frames = painted_of(video, speech, tmp_path / "out.mp4")
    assert result.dubbed == 12
    with av.open(str(tmp_path / "out.mp4")) as after, av.open(str(video)) as before:
        one, other = next(after.decode(video=0)), next(before.decode(video=0))
        assert one.rotation == other.rotation != 0
        assert (one.width, one.height) == (240, 256)
        changed = (frames[0] != other.to_ndarray())[:256]
    upright = np.rot90(changed, -1)
    rows, _ = np.nonzero(upright)
    assert 60 < rows.min() < rows.max()


@pytest.mark.parametrize("size", [(255, 255), (256, 253)])
def test_odd_sizes_are_kept(size, speech, models, backend, settings, tmp_path):
    pictures = [np.ascontiguousarray(picture[: size[1], : size[0]]) for picture in head_pictures(0, 8)]
    video = write_media(tmp_path / "odd.mp4", regular(8), size=size, pictures=pictures, pix_fmt="yuv444p")
    dub(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models, backend, settings)
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == size
        assert film.streams.video[0].pix_fmt == "yuv444p"


def test_variable_rate_keeps_its_times(speech, models, backend, settings, tmp_path):
    times = [0, 40, 55, 130, 133, 250, 300, 420, 460, 500]
    video = write_media(tmp_path / "vfr.mp4", times, size=(256, 256), pictures=head_pictures(0, 10))
    dub(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models, backend, settings)
    assert [round(1000 * time) for time in decoded_pictures(tmp_path / "out.mp4")[1]] == times


@pytest.mark.parametrize("layout", [1, 2, 6])
def test_sound_keeps_its_channels(layout, brief, models, backend, settings, tmp_path):
    sound = write_media(tmp_path / "sound.mkv", regular(25), tone(1.0, channels=layout))
    job = DubJob(video=str(brief), speech=str(sound), out=str(tmp_path / "out.mp4"))
    dub(job, models, backend, settings)
    samples, rate = decoded_sound(tmp_path / "out.mp4")
    assert (len(samples), rate) == (layout, 48_000)
    middle = samples[:, rate // 4 : rate // 2]
    assert (np.sqrt((middle**2).mean(axis=1)) > 0.2).sum() == layout or layout == 6


def test_colours_are_tagged_as_the_source_s(speech, models, backend, settings, tmp_path):
    video = write_media(
        tmp_path / "tagged.mp4",
        regular(8),
        size=(256, 256),
        pictures=head_pictures(0, 8),
        options={"preset": "ultrafast", "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709"},
    )
    dub(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models, backend, settings)
    with av.open(str(tmp_path / "out.mp4")) as film:
        frame = next(film.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
