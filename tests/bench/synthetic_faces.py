"""Signals of unmarked synthetic faces: how well cheap statistics of stored crops tell them from filmed ones.

    python -m tests.bench.synthetic_faces WORKSPACE MANIFEST.csv [--frames N]

The workspace holds the manifest's files, ingested; the manifest has the columns `file`, `why` and `pairing`. Synthetic
are files of which these say "generated", "synthetic" or "no real face", and swaps that are made here: of each speaker's
first clip, another speaker's face is bent onto every frame, with his colours and a soft edge, and packed as JPEG again,
as its original is. Nothing is written.
"""

import argparse
import csv
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

import heterodub
from heterodub.model.features.landmarks import LIPS, OUTLINE, eye_centres
from heterodub.schemas.display import base_name
from heterodub.tasks.identity.units import counted_as

_SYNTHETIC: Final = ("generated", "synthetic", "no real face")
_QUALITY: Final = 80
_BAND: Final = 0.06
"""Half of the border's width, over the height of the face."""

Pictures = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceFilm:
    """Crops (T, S, S, 3) of a clip with their landmarks (T, 216, 2) px. of: the file."""

    of: str
    person: str
    pictures: Pictures
    points: Points


def main() -> None:
    """Print for each signal the area under the curve, and what it finds at 1 % of false alarms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--frames", type=int, default=25)
    arguments = parser.parse_args()
    with arguments.manifest.open() as listing:
        synthetic = {row["file"] for row in csv.DictReader(listing) if _is_synthetic(row)}
    films = list(read_films(arguments.workspace, arguments.frames))
    real = [film for film in films if film.of not in synthetic]
    found = [film for film in films if film.of in synthetic]
    firsts = list({film.person: film for film in reversed(real)}.values())
    packed = [_packed(film) for film in firsts]
    swapped = [_packed(swap(film, other)) for film, other in zip(firsts, firsts[1:] + firsts[:1], strict=True)]
    print(f"{len(real)} filmed clips of {len(firsts)} people, {len(found)} synthetic ones, {len(swapped)} swaps")
    for name, signal in SIGNALS.items():
        filmed = np.array([signal(film) for film in real])
        for what, others, beside in (
            ("listed", found, filmed),
            ("swaps", swapped, np.array(list(map(signal, packed)))),
        ):
            values = np.array([signal(film) for film in others])
            _print(f"{name}, {what}", beside, values, filmed)
            if what == "listed":
                for film, value in zip(others, values, strict=True):
                    print(f"    {film.of}: {value:.3f}, above {np.mean(filmed < value):.0%} of the filmed")


def _is_synthetic(row: Mapping[str, str]) -> bool:
    return any(word in f"{row['why']} {row['pairing']}" for word in _SYNTHETIC) and row["why"] != "VFR synthetic"


def read_films(workspace: str, frames: int) -> Iterable[FaceFilm]:
    """Yield the first frames of each stage-2 clip."""
    release = heterodub.open_workspace(workspace).release()
    clips = release.dataset("stage2")
    rows = clips.labelled()
    people = counted_as(rows).to_pylist()
    for number, (uri, person) in enumerate(zip(rows["uri"].to_pylist(), people, strict=True)):
        sample = clips[number]
        if len(sample.frames) >= frames and sample.tracked[:frames].all():
            yield FaceFilm(base_name(uri), person, sample.frames[:frames], sample.crop_landmarks[:frames])


def swap(film: FaceFilm, other: FaceFilm) -> FaceFilm:
    """Bend the other's first face onto every frame: by the similarity of the outlines, in this one's colours."""
    made = film.pictures.copy()
    for picture, points in zip(made, film.points, strict=True):
        matrix, _ = cv2.estimateAffine2D(other.points[0, OUTLINE], points[OUTLINE])
        face = cv2.warpAffine(other.pictures[0], matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        inside = _face(points, picture.shape[0])
        blend = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.03 * _height(points))[..., None]
        ours, theirs = (part[inside].astype(np.float32) for part in (picture, face))
        toned = (face - theirs.mean(0)) / (theirs.std(0) + 1) * (ours.std(0) + 1) + ours.mean(0)
        picture[:] = np.clip(blend * toned + (1 - blend) * picture, 0, 255)
    return FaceFilm(film.of, film.person, made, film.points)


def _packed(film: FaceFilm) -> FaceFilm:
    def again(picture: Pictures) -> Pictures:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return FaceFilm(film.of, film.person, np.stack([again(one) for one in film.pictures]), film.points)


def _height(points: Points) -> float:
    return float(np.ptp(points[:, 1]))


def _polygon(points: Points, side: int) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return mask.astype(bool)


def _face(points: Points, side: int) -> NDArray[np.bool_]:
    return _polygon(points, side)


def _regions(points: Points, side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the skin inside of the face, its border, and the band outside of that."""
    face = _face(points, side).astype(np.uint8)
    width = max(1, round(_BAND * _height(points)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    inner, outer = cv2.erode(face, kernel) > 0, cv2.dilate(face, kernel) > 0
    beyond = cv2.dilate(outer.astype(np.uint8), kernel, iterations=2) > 0
    left, right = (np.array(eye) for eye in eye_centres(points))
    skin = inner & ~_polygon(points[LIPS], side)
    rows, columns = np.mgrid[:side, :side]
    for eye in (left, right):
        skin &= np.hypot(rows - eye[1], columns - eye[0]) > 0.14 * _height(points)
    return skin, outer & ~inner, beyond & ~outer


def _grey(film: FaceFilm) -> NDArray[np.float32]:
    return np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float32) for one in film.pictures])


def border_flicker(film: FaceFilm) -> float:
    """Return how much more the border changes than the skin inside: the second difference in time, neighbours moved
    onto the frame by the landmarks; the median over frames.
    """
    grey, ratios = _grey(film), []
    for at in range(1, len(grey) - 1):
        moved = []
        for beside in (at - 1, at + 1):
            matrix, _ = cv2.estimateAffinePartial2D(film.points[beside], film.points[at])
            moved.append(cv2.warpAffine(grey[beside], matrix, grey[at].shape[::-1], borderMode=cv2.BORDER_REFLECT))
        change = np.abs(grey[at] - (moved[0] + moved[1]) / 2)
        skin, border, _ = _regions(film.points[at], grey[at].shape[0])
        ratios.append(float(change[border].mean() / (change[skin].mean() + 0.1)))
    return float(np.median(ratios))


def smooth_skin(film: FaceFilm) -> float:
    """Return how much less fine noise the skin has than what lies around the face: the ratio of the medians of the
    absolute Laplacian, outside over inside; the median over frames.
    """
    ratios = []
    for grey, points in zip(_grey(film)[::4], film.points[::4], strict=True):
        fine = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        skin, _, beyond = _regions(points, grey.shape[0])
        ratios.append(float((np.median(fine[beyond]) + 0.5) / (np.median(fine[skin]) + 0.5)))
    return float(np.median(ratios))


def spectral_fall(film: FaceFilm) -> float:
    """Return how fast the skin's energy falls from octave to octave: the logarithm of the variance of one band-pass
    over that of the next finer one. Of filmed skin the bands follow a power law; bent or generated skin may lack the
    finest.
    """
    falls = []
    for grey, points in zip(_grey(film)[::4], film.points[::4], strict=True):
        blurred = [grey, *(cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.8, 1.6))]
        skin, _, _ = _regions(points, grey.shape[0])
        fine, coarse = (float((a - b)[skin].var()) for a, b in itertools.pairwise(blurred))
        falls.append(np.log((coarse + 0.01) / (fine + 0.01)))
    return float(np.median(falls))


SIGNALS: Final[Mapping[str, Callable[[FaceFilm], float]]] = {
    "border flicker": border_flicker,
    "smooth skin": smooth_skin,
    "spectral fall": spectral_fall,
}


def _print(name: str, filmed: NDArray[np.float64], synthetic: Sequence[float], all_filmed: NDArray[np.float64]) -> None:
    """Print the figures of a signal. filmed: of the same packing; all_filmed: they set the limit."""
    if not len(synthetic):
        return
    values = np.array(synthetic)
    pairs = np.sign(values[:, None] - filmed[None]).mean() / 2 + 0.5
    limit = np.quantile(filmed, 0.99)
    alarms = np.mean(all_filmed > limit)
    print(
        f"{name}: AUC {pairs:.2f}; at a limit of {limit:.3f}, with false alarms {np.mean(filmed > limit):.1%} "
        f"({alarms:.1%} of all filmed), found {np.mean(values > limit):.0%}; medians {np.median(filmed):.3f} filmed, "
        f"{np.median(values):.3f} synthetic"
    )


if __name__ == "__main__":
    main()
