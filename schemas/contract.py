"""Constants that stores, features and networks must agree on. Each is defined here once and nowhere else.

Changing any of them changes what a stored row means, so bump FEATURES_VERSION with it, or the number behind it in
EXTRACTOR_VERSION: rows of another version are measured again, and a release never mixes two.
"""

from typing import Final

FEATURES_VERSION: Final = "4"
"""Version of what models read: frames, landmarks, mel, crops. A model of another version is refused."""

EXTRACTOR_VERSION: Final = f"{FEATURES_VERSION}.3"
"""Version of everything between a file's bytes and a stored row: of the features, then of all else (where clips begin
and end, measures)."""

FPS: Final = 25
"""Frames per second of every stored clip; the paper's corpora LRS2 and LRW run at this rate (section 4.1)."""

SECTION_FRAMES: Final = 60 * FPS
"""Frames of a section of a film. Tracks and clips end with it, and nothing that was measured in it is remembered in the
next, so that a long film gives the same rows whether it is analysed in one pass or in several at once. A multiple of
the longest clips, so that a talk that goes on loses no footage at its end."""

SAMPLE_RATE_HZ: Final = 16_000
"""Sampling rate of all speech, mono."""

MEL_BANDS: Final = 80
"""Mel bands (paper, section 3.2.1)."""

MEL_WINDOW_SAMPLES: Final = 640
"""Analysis window: 40 ms (paper, section 3.2.1)."""

MEL_HOP_SAMPLES: Final = 160
"""Frame shift: 10 ms (paper, section 3.2.1)."""

MEL_COLUMNS_PER_FRAME: Final = SAMPLE_RATE_HZ // (MEL_HOP_SAMPLES * FPS)
"""Mel columns that belong to one video frame: 4."""

MEL_CONTEXT_COLUMNS: Final = 20
"""Columns a network sees for one frame: 200 ms (paper, section 3.2.1)."""

SENONES: Final = 126
"""Scores of a speech recogniser's states, a row each 10 ms, that a generator may read beside the mel."""

LANDMARK_POINTS: Final = 216
"""2-D points per face (paper, section 3.1)."""
