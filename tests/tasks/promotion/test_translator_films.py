"""Films of translators: generated faces in the raw file's pictures with its sound; and the page that shows them."""

import io
import shutil
import tomllib
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
import torch

from heterodub.model.io import save_model
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.cards import TRANSLATOR, TranslatorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.promotion import PromotionPolicy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion import gate, translator_evaluator
from heterodub.tasks.promotion.candidates import Candidates, Rendering
from heterodub.tasks.promotion.comparison_page import comparison_page
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import find_release
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.model.stage2.faces import lively
from tests.tasks.promotion.test_gate_pictures import register
from tests.tasks.stores import sample_rows as sample
from tests.tasks.tracking.conftest import with_tables
from tests.tasks.training.face_release import BOX, RAW_SIZE, face_release

POLICY = """
name = "short"
version = 1
[resampling]
resamples = 500
[models.landmark-translator]
primary = "perceptual_heldout_lower"
minimum_effect = 0.02
references = 4
least_clips = 2
least_speakers = 2
"""
FRAMES = 14
WITH_SOUND, SILENT = (sample.clip_id(number) for number in (2, 6))
LEFT, TOP, SIDE = (int(number) for number in BOX)


class Compared(NamedTuple):
    """A workspace with raw files, its settings, and the folders of two translators."""

    settings: Settings
    raw: Path
    folders: dict[int, Path]


@pytest.fixture(scope="module")
def compared(tmp_path_factory, empty_database) -> Compared:
    folder = tmp_path_factory.mktemp("films")
    (folder / "raw").mkdir()
    ws = with_tables(face_release(folder / "w", speakers=8, frames=FRAMES, raw=folder / "raw"), empty_database)
    (folder / "policy.toml").write_text(POLICY)
    settings = Settings(workspace=ws.root, promotion=folder / "policy.toml", stage2=Stage2Settings(preset="tiny"))
    return Compared(settings, folder / "raw", {seed: translator(folder / str(seed), seed) for seed in (1, 2)})


def translator(folder: Path, seed: int) -> Path:
    """An untrained translator, whose faces are plain to see."""
    settings = Stage2Settings(preset="tiny")
    card = TranslatorCard(
        architecture=settings.architecture,
        discriminators=settings.discriminators,
        window_frames=settings.data.window_frames,
        backend=sample.BACKEND,
        release="r",
        seed=seed,
        steps=0,
        perception=(),
    )
    network = lively(LandmarkTranslator(settings.architecture))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    save_model(folder, network, card, Discriminators(settings.discriminators, settings.data.window_frames))
    return folder


def rendered(compared: Compared, *versions: int) -> dict[str, Rendering]:
    workspace = Workspace.open(compared.settings.workspace)
    release = find_release(workspace, None)
    rule = PromotionPolicy.model_validate(tomllib.loads(POLICY)).rule(TRANSLATOR)
    benchmark = benchmarks.frozen(workspace, release, Stage.STAGE2, "a test")
    folders = {version: compared.folders[version] for version in versions}
    candidates = Candidates(workspace, compared.settings, release, benchmark, rule, folders)
    return dict(translator_evaluator.render(candidates, [WITH_SOUND, SILENT]))


@pytest.fixture(scope="module")
def both(compared) -> dict[str, Rendering]:
    return rendered(compared, 1, 2)


def pictures_of(film: bytes) -> np.ndarray:
    with av.open(io.BytesIO(film)) as opened_film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in opened_film.decode(video=0)]).astype(int)


def level(film: bytes) -> float | None:
    """Loudness of a film's middle; None without a stream of sound."""
    with av.open(io.BytesIO(film)) as opened_film:
        if not opened_film.streams.audio:
            return None
        sound = np.concatenate([frame.to_ndarray()[0] for frame in opened_film.decode(audio=0)])
    return float(np.sqrt(np.mean(sound[len(sound) // 4 : len(sound) // 2] ** 2)))


def test_each_version_and_the_source_have_films_of_the_raw_size_with_its_sound(both):
    films = both[WITH_SOUND].films
    assert list(films) == ["version 1", "version 2", "source"] and both[WITH_SOUND].note == ""
    assert {pictures_of(film).shape for film in films.values()} == {(FRAMES, RAW_SIZE[1], RAW_SIZE[0], 3)}
    assert all(level(film) > 0.05 for film in films.values())


def test_generated_mouth_is_laid_into_the_source_picture_where_the_face_was_tracked(both):
    one, other, source = (pictures_of(film) for film in both[WITH_SOUND].films.values())
    mouth = np.s_[:, TOP + SIDE // 2 : TOP + 7 * SIDE // 8, LEFT + SIDE // 3 : LEFT + 2 * SIDE // 3]
    changed = np.abs(one - source)
    tracked = np.arange(FRAMES) != 5
    assert changed[mouth][tracked].mean() > 3 * changed[mouth][~tracked].mean()
    assert np.abs(one - other)[mouth].mean() > 1
    assert changed[:, : TOP + SIDE // 4].mean() < 1.5  # above it lies the source, encoded twice
    assert np.abs(source[:, :TOP] - 90).mean() < 3


def test_silent_file_is_named_and_its_films_have_no_sound(both):
    assert "Without sound: the raw file has none here (no sound stream)" in both[SILENT].note
    assert {level(film) for film in both[SILENT].films.values()} == {None}


def test_stored_crops_are_shown_where_the_raw_file_is_gone_or_another_one(compared, tmp_path):
    away = tmp_path / "away.mp4"
    raw = {number: compared.raw / f"{number}.mp4" for number in (2, 6)}
    shutil.move(raw[2], away)
    before = raw[6].read_bytes()
    raw[6].write_bytes(away.read_bytes())
    try:
        shown = rendered(compared, 1)
    finally:
        shutil.move(away, raw[2])
        raw[6].write_bytes(before)
    for clip, reason in ((WITH_SOUND, "vanished"), (SILENT, "changed")):
        assert f"({reason}): stored crops at the models' size, without sound" in shown[clip].note
        (film,) = shown[clip].films.values()
        assert level(film) is None and pictures_of(film).shape[2] == 3 * 64  # version, untrained warp, source


@pytest.fixture(scope="module")
def page(compared) -> Path:
    """A first translator beside the untrained warp."""
    register(compared.settings, compared.folders[1])
    comparison = gate.open_comparison(compared.settings, "stage2", None)
    scores = gate.score(comparison)
    path = compared.raw.parent / "comparison.html"
    path.write_text(comparison_page(comparison, scores, gate.decide(comparison, scores)).html)
    return path


@needs_browser
@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_films_play_together_with_one_sound(page, size):
    with opened(page, size) as tab:
        card = tab.locator(".card:has(button.together)").filter(has_text=WITH_SOUND[:12])
        assert card.locator("figcaption").all_text_contents() == ["version 1", "untrained warp", "source"]
        card.locator("button").press("Enter")
        films = card.locator("video")
        for film in films.all():
            until(tab, "(film) => film.currentTime > 0.1", film.element_handle())
        assert films.evaluate_all("films => films.map(film => film.muted)") == [False, True, True]
        assert films.evaluate_all("films => films.map(film => film.videoWidth)") == [RAW_SIZE[0]] * 3
        until(tab, "(film) => film.webkitAudioDecodedByteCount > 0", films.first.element_handle())
        assert overflow(tab) <= 0
        boxes = [film.bounding_box() for film in films.all()]
        assert (boxes[0]["y"] == boxes[1]["y"]) == (size != PHONE)
        assert all(box["x"] + box["width"] <= size[0] for box in boxes)


@needs_browser
def test_page_says_which_films_are_silent(page):
    with opened(page) as tab:
        assert "the raw file has none here" in tab.text_content(f".card:has-text('{SILENT[:12]}') .note")
