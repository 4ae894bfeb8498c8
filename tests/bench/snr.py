"""Measured SNR of clips against the true level of noise: speech mixed with noise.

    python -m tests.bench.snr WORKSPACE --music FILE [--true 8]

Clean clips of the workspace (stage 1, SNR of 30 dB and more; one a speaker) are mixed at known ratios, above 60 Hz and
over the chunks that hold speech, with white and pink noise, with music and with voices of other speakers. Half of the
speakers choose the limit that separates ratios below `--true` from those above it with fewest errors; the other half
test it. Printed as Markdown.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pandas as pd

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.quality.sound import (
    SPEECH_PROBABILITY,
    VAD_CHUNK,
    Samples,
    snr_db,
    speech_band,
    speech_probability,
)
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_RATIOS = (0, 2, 4, 6, 8, 10, 12, 16, 20)
_VOICES = 4
_MOST_FRAMES = 125


def main() -> None:
    """Mix, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace")
    parser.add_argument("--music", type=Path, required=True, help="a file of music without voices")
    parser.add_argument("--true", type=float, default=8, help="dB that shall be the least")
    given = parser.parse_args()
    clean = _clean(Workspace.open(given.workspace))
    names = list(np.random.default_rng(0).permutation(list(clean)))
    halves = [{name: clean[name] for name in names[half::2]} for half in (0, 1)]
    measured = [pd.DataFrame(_mixes(half, _sound(given.music))) for half in halves]
    print(f"\nSNR measured: median, and where 8 in 10 lie; {len(clean)} speakers\n")
    print(_table(pd.concat(measured)))
    limits = np.arange(4, 16, 0.5)
    errors = [_errors(measured[0], limit, given.true) for limit in limits]
    best = limits[int(np.argmin([sum(both) for both in errors]))]
    print(f"\nBest limit on {len(halves[0])} speakers: {best}\n")
    for limit in sorted({best, np.floor(best), np.ceil(best), 8.0}):
        result = "; ".join(
            f"{len(half)} speakers: {low:.3f} of those below {given.true:g} dB pass, {high:.3f} of those above do not"
            for half, (low, high) in ((h, _errors(m, limit, given.true)) for h, m in zip(halves, measured, strict=True))
        )
        print(f"limit {limit:g}: {result}")


def _clean(workspace: Workspace) -> dict[str, Samples]:
    """Sound of one clip of each speaker."""
    clips = tables.read(workspace, "clips", ["uri", "speaker", "start_frame", "frames", "snr_db", "stage1"]).to_pandas()
    clips = clips[clips.stage1 & (clips.snr_db >= 30) & clips.speaker.notna()].sort_values("frames", ascending=False)
    collected = {}
    for clip in clips.drop_duplicates("speaker").itertuples():
        start = clip.start_frame * 640
        collected[str(clip.speaker)] = _sound(Path(clip.uri))[start : start + min(clip.frames, _MOST_FRAMES) * 640]
    return collected


def _sound(path: Path) -> Samples:
    """16 kHz, one channel."""
    with av.open(str(path)) as film:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        frames = [out.to_ndarray()[0] for frame in film.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(frames).astype(np.float32)


def _mixes(clean: dict[str, Samples], music: Samples) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng(1)
    for speaker, speech in clean.items():
        others = [sound for name, sound in clean.items() if name != speaker]
        for kind, noise in _noises(speech.size, music, others, rng).items():
            active = speech_probability(speech) >= SPEECH_PROBABILITY
            for ratio in _RATIOS:
                scale = np.sqrt(_power(speech, active) / _power(noise, np.ones_like(active)) / 10 ** (ratio / 10))
                mixed = (speech + scale * noise).astype(np.float32)
                mixed *= min(1.0, 0.9 / np.abs(mixed).max())
                heard = speech_probability(mixed)
                if (heard >= SPEECH_PROBABILITY).any():
                    yield {"speaker": speaker, "kind": kind, "true": ratio, "snr": snr_db(speech_band(mixed), heard)}


def _power(samples: Samples, chunks: np.ndarray) -> float:
    band = speech_band(samples)[: chunks.size * VAD_CHUNK].reshape(-1, VAD_CHUNK)
    return float(np.mean(np.square(band, dtype=np.float64)[chunks]))


def _noises(size: int, music: Samples, others: list[Samples], rng: np.random.Generator) -> dict[str, Samples]:
    white = rng.normal(size=size).astype(np.float32)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), size)
    chosen = rng.choice(len(others), _VOICES, replace=False)
    voices = sum(np.resize(others[k], size) / np.std(others[k]) for k in chosen)
    start = int(rng.integers(max(1, music.size - size)))
    return {"white": white, "pink": pink, "music": np.resize(music[start:], size), f"{_VOICES} voices": voices}


def _errors(mixes: pd.DataFrame, limit: float, true: float) -> tuple[float, float]:
    """Share of the mixes below `true` that the limit lets pass, and of those above it that it does not."""
    low, high = mixes[mixes.true < true], mixes[mixes.true > true]
    return float((low.snr >= limit).mean()), float((high.snr < limit).mean())


def _table(mixes: pd.DataFrame) -> str:
    kinds = list(dict.fromkeys(mixes.kind))
    lines = [" | ".join(["| true SNR, dB", *kinds]) + " |", "|" + "---|" * (len(kinds) + 1)]
    for ratio, rows in mixes.groupby("true"):
        cells = [rows[rows.kind == kind] for kind in kinds]
        lines.append(
            " | ".join(
                [
                    f"| {ratio}",
                    *(f"{c.snr.median():.1f} ({c.snr.quantile(0.1):.1f} to {c.snr.quantile(0.9):.1f})" for c in cells),
                ]
            )
            + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
