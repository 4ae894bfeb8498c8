"""Making of the models that ship: a workspace's own, in 16 bits, each with a card for people and checksums."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heterodub.model.checksums import write_checksums
from heterodub.model.files import write_atomic
from heterodub.model.io import load_discriminators, load_generator, load_translator, save_model
from heterodub.schemas.cards import GENERATOR, TRANSLATOR, GeneratorCard, TranslatorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.builtin.find import MODEL_CARD, SHIPPED
from heterodub.tasks.evaluation.cross_validation import EVALUATE
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.evaluation.model_card import footage_of, model_card
from heterodub.tasks.evaluation.scored_clips import scored_clips
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.models import fetch_version
from heterodub.tasks.tracking.registry import CHAMPION, aliased, usable_version
from heterodub.tasks.tracking.store import open_tracking
from heterodub.tasks.training.clip_selection import find_release, select

_STAGES: Final[Mapping[str, Stage]] = {GENERATOR: Stage.STAGE1, TRANSLATOR: Stage.STAGE2}

_SHIPPED: Final = "The {card.kind} that ships with heterodub: {version}, weights in 16 bits."

_REFERENCES: Final = 8
"""Reference frames of a clip in the card's scores, as `evaluate` has them."""

OWN: Final = "held-out speakers of its own corpus"
"""Name of the workspace's own benchmark in a card."""


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A model as it was written: its kind, its version in words, its folder and the bytes in it."""

    kind: str
    origin: str
    folder: Path
    size_bytes: int


def ship(
    settings: Settings,
    named: Mapping[str, str | None],
    scored_on: Mapping[str, Settings],
    notes: str = "",
    folder: Path = SHIPPED,
) -> list[ShippedModel]:
    """Write models of a workspace into `folder`, in the place of those that are there.

    named: version of each kind that is written ("3", "@alias", a run id); None: the champion, or the newest where there
    is none.
    scored_on: further workspaces whose benchmarks the models are scored on, by the name that the card gives them.
    notes: ends each card, in Markdown.

    Raises: TrackingError - there is no such version. ModelFileError - its files are damaged, or it was made for other
    landmarks than a workspace's. NotFoundError, TrainingError, PromotionError - a workspace has nothing to score on.
    OSError - the folder cannot be written.
    """
    places = {OWN: settings, **scored_on}
    return [_shipped(settings, kind, name, places, notes, folder / kind) for kind, name in named.items()]


def _shipped(
    settings: Settings, kind: str, name: str | None, places: Mapping[str, Settings], notes: str, out: Path
) -> ShippedModel:
    stage = _STAGES[kind]
    workspace = Workspace.open(settings.workspace)
    tracking = open_tracking(settings.tracking, workspace)
    champion = aliased(tracking, kind, CHAMPION) if name is None else None
    version = champion or usable_version(tracking, kind, name)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        (Path(scratch) / "fetched").mkdir()
        built = Path(scratch) / "built"
        card = _halved(fetch_version(tracking, version, Path(scratch) / "fetched"), kind, built)
        footage = footage_of(workspace, select(workspace, find_release(workspace, card.release), stage))
        scores = {where: _scored(place, stage, built) for where, place in places.items()}
        write_atomic(
            built / MODEL_CARD, model_card(card, _SHIPPED.format(card=card, version=version), footage, scores, notes)
        )
        write_checksums(built)
        for name in sorted(path.name for path in built.iterdir()):
            write_atomic(out / name, (built / name).read_bytes())
    return ShippedModel(kind, str(version), out, sum(path.stat().st_size for path in out.iterdir()))


def _halved(model: Path, kind: str, out: Path) -> GeneratorCard | TranslatorCard:
    """Write a model with weights of 16 bits; reading them gives networks of 32 bits again."""
    if kind == GENERATOR:
        generator, card = load_generator(model)
        save_model(out, generator.half(), card)
        return card
    translator, translator_card = load_translator(model)
    save_model(out, translator.half(), translator_card, load_discriminators(model).half())
    return translator_card


def _scored(settings: Settings, stage: Stage, model: Path) -> Evaluation:
    workspace = Workspace.open(settings.workspace)
    release = find_release(workspace, None)
    selection = select(workspace, release, stage)
    clips, name = scored_clips(workspace, release, stage, "test")
    return EVALUATE[stage](settings, selection, clips, model, name, _REFERENCES)
