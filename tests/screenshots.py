"""Take the pictures of docs/images anew, from a finished demo: `make demo`, then `make screenshots`.

Pages as a reader with a window of 1000 pixels sees them, as WebP. Folders of this machine are not shown.
"""

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from playwright.sync_api import Page

from heterodub.flows.demo import SPEECH, VIDEO
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.labelling.page import write_label_page
from heterodub.tasks.reproduction.study_making import make_study
from tests.browser import opened, shared, until

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1000, 760)
QUALITY = 82
MOST_BYTES = 150_000

_TILE_PX, _PAIRS = 240, 4
_RENAME = """([from, to]) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replaceAll(from, to);
}"""


def main() -> None:
    demo = Path(sys.argv[1]).resolve()
    if not (demo / "demo.html").exists():
        raise SystemExit(f"{demo} holds no finished demo: make demo")
    IMAGES.mkdir(exist_ok=True)
    media = demo / "sample" / "media"
    with tempfile.TemporaryDirectory() as scratch:
        dub = _dub(media / VIDEO, media / SPEECH, Path(scratch) / "builtin.mp4")
        _write("dub", side_by_side(media / VIDEO, dub))
        pages = _pages(demo, dub, Path(scratch))
        for name, (path, prepare) in pages.items():
            with opened(path, SIZE) as tab:
                prepare(tab)
                tab.evaluate(_RENAME, [str(demo), "/data/demo"])
                tab.wait_for_timeout(500)
                _write(name, cv2.imdecode(np.frombuffer(tab.screenshot(), np.uint8), cv2.IMREAD_COLOR))
        shared.close()


def _pages(demo: Path, dub: Path, scratch: Path) -> dict[str, tuple[Path, Callable[[Page], None]]]:
    """A page, and the steps that bring it to the subject of its picture."""
    report = demo / "workspace" / "reports" / "ingest.html"
    return {
        "report": (report, lambda tab: None),
        "clip": (report, _open_clip),
        "comparison": (_comparison(demo / "workspace"), lambda tab: None),
        "label": (label_page(demo / "workspace", scratch), answer_first),
        "study": (_study(demo, dub, scratch), _rate),
        "demo": (demo / "demo.html", _play),
    }


def _open_clip(tab: Page) -> None:
    clip = tab.locator("details.clip").first
    clip.evaluate("(clip) => { clip.open = true; }")
    until(tab, "document.querySelector('details.clip video').readyState >= 2")
    tab.wait_for_timeout(500)  # what stands above is laid out when it first comes near the window
    clip.evaluate("(clip) => clip.scrollIntoView({ behavior: 'instant' })")
    tab.wait_for_timeout(500)
    clip.evaluate("(clip) => clip.scrollIntoView({ behavior: 'instant' })")


def _rate(tab: Page) -> None:
    until(tab, "document.readyState === 'complete' && document.getElementById('explained')?.children.length > 0")
    tab.fill("#rater", "1")
    tab.keyboard.press("Enter")
    until(tab, "!document.getElementById('rate').hidden && state.answers[item()]?.seen")


def label_page(workspace: Path, scratch: Path) -> Path:
    """A page to label twelve clips on; the draw is a row of the workspace."""
    return Path(write_label_page(Settings(workspace=str(workspace)), 12, scratch / "label").page)


def answer_first(tab: Page) -> None:
    """Keep the first clip for stage 1, and refuse it for stage 2."""
    tab.fill("#by", "Ann")
    tab.keyboard.press("Enter")
    until(tab, "film.readyState >= 2 && film.currentTime > 1")
    tab.evaluate("film.pause()")
    for key in ("k", "r"):
        tab.keyboard.press(key)
    tab.keyboard.type("blurred")


def _play(tab: Page) -> None:
    tab.locator("button").click()
    until(tab, "[...document.querySelectorAll('video')].every((film) => film.currentTime > 2)")
    tab.evaluate("for (const film of document.querySelectorAll('video')) film.pause()")
    tab.mouse.move(1, 1)


def _comparison(workspace: Path) -> Path:
    """The last comparison of two landmark generators."""
    pages = [path for path in workspace.rglob("comparison.html") if "landmark-generator" in path.read_text("utf-8")]
    return max(pages, key=lambda path: path.stat().st_mtime)


def _study(demo: Path, dub: Path, scratch: Path) -> Path:
    """A study of two dubbings of one video."""
    rows = [
        {"clip": "take1", "system": system, "video": str(video), "source": str(demo / "sample" / "media" / VIDEO)}
        for system, video in (("champion", demo / "dub" / "dub.mp4"), ("builtin", dub))
    ]
    with (scratch / "videos.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return make_study(scratch / "videos.csv", scratch / "study", checks=0, seed=1).page


def _dub(video: Path, speech: Path, out: Path) -> Path:
    """A dubbing by the models that ship, both of them, without any workspace."""
    words = ["dub", video, speech, "-o", out, "--generator", "builtin", "--translator", "builtin"]
    subprocess.run([sys.executable, "-m", "heterodub", *map(str, words)], check=True, cwd=out.parent)
    return out


def side_by_side(source: Path, dub: Path) -> np.ndarray:
    """Pairs of frames at equal distances, source left and dub right of each. Returns BGR."""
    pairs = [np.hstack(pair) for pair in zip(_frames(source), _frames(dub), strict=True)]
    gap = np.full((_TILE_PX, 12, 3), 255, np.uint8)
    rows = [np.hstack([pairs[at], gap, pairs[at + 1]]) for at in range(0, _PAIRS, 2)]
    between = np.full((12, rows[0].shape[1], 3), 255, np.uint8)
    return np.vstack([rows[0], *(part for row in rows[1:] for part in (between, row))])


def _frames(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as film:
        title = "dub" if path.stem == "builtin" else "source"
        pictures = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
    for at in np.linspace(0, 120, _PAIRS + 2, dtype=int)[1:-1]:  # of both, which may differ by a frame at their ends
        tile = cv2.resize(pictures[at], (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
        cv2.putText(tile, title, (8, _TILE_PX - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(tile, title, (8, _TILE_PX - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        yield tile


def _write(name: str, picture: np.ndarray) -> None:
    path = IMAGES / f"{name}.webp"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} takes {size} bytes, more than {MOST_BYTES}")
    print(path, size)


if __name__ == "__main__":
    main()
