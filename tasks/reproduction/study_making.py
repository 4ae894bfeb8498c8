"""Creation of a study: a self-contained page for raters, and the key, which stays with its author.

The order in which a rater sees the videos is random, and balanced over raters. With S systems there are S rounds; in a
round each clip is shown once. In round r of form f, clip c is shown as made by system (r + c + f) mod S: a Latin
square, so that over S raters each video is in each round once, no rater sees a clip again before every clip was seen,
and every system is seen equally often in each round.
"""

import base64
import hashlib
import json
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import MediaRefusedError, SourceError, WorkspaceError
from heterodub.schemas.study import LEAST, MOST, QUESTIONS, Grades, Item, StudyKey
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.reproduction.study_videos import StudyVideo, plain_copy, read_videos, still
from heterodub.tasks.stores.outputs import require_own_page

ORDERS: Final = 4
"""Number of Latin squares: an order repeats after this number times the systems."""

Seen = tuple[int, int]
"""Number of the clip, number of the system."""


def forms(clips: int, systems: int, rounds: int | None, draw: random.Random) -> list[list[Seen]]:
    """Draw the orders that raters get in turn, as many as systems times ORDERS.

    rounds: number of rounds shown, for raters with little time; all if left out.

    Raises: ValueError - there are fewer rounds than one or more than systems.
    """
    shown_rounds = systems if rounds is None else rounds
    if not 1 <= shown_rounds <= systems:
        raise ValueError(f"rounds are 1 to {systems}, one for each system; {shown_rounds} cannot be shown")
    orders = []
    for _ in range(ORDERS):  # squares
        names = draw.sample(range(systems), systems)  # anew, so that no system always follows the same one
        orders += [_form(clips, names, shown_rounds, number, draw) for number in range(systems)]
    return orders


def _form(clips: int, names: Sequence[int], rounds: int, number: int, draw: random.Random) -> list[Seen]:
    order: list[Seen] = []
    for turn in range(rounds):
        clip_order = draw.sample(range(clips), clips)
        if order and clips > 1 and clip_order[0] == order[-1][0]:  # not the same clip twice in a row
            clip_order = [*clip_order[1:], clip_order[0]]
        order += [(clip, names[(turn + clip + number) % len(names)]) for clip in clip_order]
    return order


def with_checks(order: Sequence[str], checks: Sequence[str], draw: random.Random) -> list[str]:
    """Insert attention checks into an order, one in each of as many equal parts, never as the first video.

    Raises: ValueError - there are more checks than videos.
    """
    if len(checks) > len(order):
        raise ValueError(f"{len(checks)} attention checks among {len(order)} videos are too many")
    mixed = list(order)
    bounds = [round(part * len(order) / max(1, len(checks))) for part in range(len(checks) + 1)]
    for number, check in reversed(list(enumerate(draw.sample(list(checks), len(checks))))):
        mixed.insert(draw.randint(max(1, bounds[number]), bounds[number + 1]), check)
    return mixed


PAGE: Final = "for-raters/study.html"
KEY: Final = "key.json"
"""Outside the page's folder, so that sharing that folder does not share the key."""

_ID_BYTES: Final = 5

_VIDEO_LIMIT_S: Final = 300.0
"""Time limit of decoding a video; the page holds short videos."""


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """Files of a study."""

    page: Path
    key: Path
    study: StudyKey

    def summary(self) -> dict[str, Any]:
        """Return the summary for users, ready for JSON."""
        return {
            "page": str(self.page),
            "key": str(self.key),
            "systems": len(self.study.systems),
            "videos": len(self.study.items),
            "videos_a_rater": len(self.study.forms[0]),
            "orders": len(self.study.forms),
            "megabytes": round(self.page.stat().st_size / 1e6, 1),
        }


def make_study(
    listing: Path,
    folder: Path,
    title: str = "How real do these videos look?",
    rounds: int | None = None,
    checks: int = 3,
    seed: int | None = None,
) -> StudyFiles:
    """Write PAGE and KEY of the listed videos (tasks/reproduction/study_videos.py) into a folder.

    rounds: see `forms`. checks: attention checks per rater. seed: of ids and orders; random
    if left out, since the blinding can be undone with it.

    Raises: SourceError - a video or the list cannot be used, or there are too many checks or rounds. WorkspaceError -
    the folder cannot be written, or holds other files of those names.
    """
    videos = read_videos(listing)
    _require_own(folder)
    draw = random.Random(secrets.randbits(64) if seed is None else seed)
    clips, systems = (list(dict.fromkeys(getattr(video, name) for video in videos)) for name in ("clip", "system"))
    ids = {(video.clip, video.system): draw.randbytes(_ID_BYTES).hex() for video in videos}
    check_items = {draw.randbytes(_ID_BYTES).hex(): _asked(videos, draw) for _ in range(checks)}
    try:
        orders = [
            with_checks([ids[clips[clip], systems[system]] for clip, system in order], list(check_items), draw)
            for order in forms(len(clips), len(systems), rounds, draw)
        ]
    except ValueError as error:
        raise SourceError(f"list of videos {listing}: {error}") from error
    items = {ids[video.clip, video.system]: Item(clip=video.clip, system=video.system) for video in videos}
    items |= {name: Item(clip=video.clip, expected=expected) for name, (video, expected) in check_items.items()}
    study = draw.randbytes(_ID_BYTES).hex()
    page = _page(study, title, videos, ids, check_items, orders).encode()
    digest = hashlib.sha256(page).hexdigest()
    key = StudyKey(study=study, title=title, systems=tuple(systems), items=items, forms=orders, page_sha256=digest)
    return _written(folder, page, key)


def _asked(videos: Sequence[StudyVideo], draw: random.Random) -> tuple[StudyVideo, Grades]:
    """Draw a video for an attention check, and the grades it asks for: not all equal, as inattentive raters give."""
    grades = {question: draw.randint(LEAST, MOST) for question in QUESTIONS}
    while len(set(grades.values())) == 1:
        grades = {question: draw.randint(LEAST, MOST) for question in QUESTIONS}
    return draw.choice(videos), grades


def _page(
    study: str,
    title: str,
    videos: Sequence[StudyVideo],
    ids: Mapping[tuple[str, str], str],
    check_items: Mapping[str, tuple[StudyVideo, Grades]],
    orders: Sequence[Sequence[str]],
) -> str:
    """Render the page as HTML. Videos are in the order of their ids, which are random."""
    faces = {source: f"f{number}" for number, source in enumerate(dict.fromkeys(video.source for video in videos))}
    with closing(Decoder(LimitSettings())) as child:
        films = {ids[video.clip, video.system]: (video, _decoded(child, plain_copy, video.video)) for video in videos}
        for name, (video, grades) in check_items.items():
            words = "PLEASE CHOOSE\n" + "  ".join(str(grades[question]) for question in QUESTIONS)
            films[name] = (video, _decoded(child, plain_copy, video.video, words))
        stills = {name: _decoded(child, still, source) for source, name in faces.items()}
    data = {
        "study": study,
        "forms": orders,
        "faces": {name: _base64(picture) for name, picture in stills.items()},
        "items": {
            name: {"video": _base64(film), "face": faces[video.source]} for name, (video, film) in sorted(films.items())
        },
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_text("study.html"))
    embedded = Markup(json.dumps(data).replace("<", "\\u003c"))
    return template.render(title=title, css=Markup(_text("study.css")), js=Markup(_text("study.js")), data=embedded)


def _decoded(child: Decoder, work: Callable[..., bytes], video: Path, *more: str) -> bytes:
    try:
        return bytes(child.run(work, video, *more, media=[str(video)], time_limit_s=_VIDEO_LIMIT_S, returns=bytes))
    except (MediaRefusedError, OSError, RuntimeError) as error:
        raise SourceError(f"video {video}: {message_of(error)}") from error


def _require_own(folder: Path) -> None:
    """Refuse to replace what is no study of ours. Raises: WorkspaceError."""
    page, key = folder / PAGE, folder / KEY
    try:
        require_own_page(page, "study")
        if key.exists() and key.stat().st_size:
            StudyKey.model_validate_json(key.read_bytes())
    except ValidationError as error:
        raise WorkspaceError(f"{key} is there and is no key of a study: name another folder, or remove it") from error
    except OSError as error:
        raise WorkspaceError(f"the study cannot be written to {folder}: {message_of(error)}") from error


def _written(folder: Path, page: bytes, key: StudyKey) -> StudyFiles:
    study = StudyFiles(folder / PAGE, folder / KEY, key)
    try:
        study.page.parent.mkdir(parents=True, exist_ok=True)
        study.page.write_bytes(page)
        study.key.write_text(key.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise WorkspaceError(f"the study cannot be written to {folder}: {message_of(error)}") from error
    return study


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
