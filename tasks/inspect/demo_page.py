"""The page at the end of the demo: a video and its dubbing side by side, and how well the models behind it do."""

import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from heterodub.model.files import write_atomic


def write_demo_page(
    page: Path,
    source: Path,
    dub: Path,
    models: Sequence[Mapping[str, Any]],
    took_s: Mapping[str, float],
    commands: Sequence[str],
) -> None:
    """Write the page, and beside the dubbing a copy of its source, which browsers play as well.

    source: H.264 and AAC in .mp4. dub: its dubbing, in a folder below the page's. models: of each the summaries of
    its training (`trained`) and promotion (`promoted`). took_s: seconds by step.

    Raises: OSError - the page or the copy cannot be written.
    """
    copy = dub.with_name("source.mp4")
    shutil.copyfile(source, copy)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("demo_page.html").read_text("utf-8"))
    videos = [(path.relative_to(page.parent).as_posix(), title) for path, title in ((copy, "source"), (dub, "dub"))]
    text = template.render(videos=videos, models=models, took_s=took_s, commands=commands)
    write_atomic(page, text.encode())
