"""Choices of settings that commands offer, too. Apart from the settings, whose libraries `--help` need not load."""

from typing import Final, Literal, get_args

BaselineName = Literal["lipgan", "wav2lip", "atvgnet", "makeittalk"]

BASELINES: Final[tuple[BaselineName, ...]] = get_args(BaselineName)
"""Names of the baselines, and of their registered models."""

KeptSound = Literal["outside", "none"]
"""What of a film's own sound is heard in a dubbing by turns. outside: all but what lies within the dubbed turns."""

Preserve = Literal["off", "packets", "near-lossless", "best"]
"""How the picture is written where nothing is painted.

off: encoded anew, as everything is. packets: as the source's own packets, or the job is refused. near-lossless: encoded
anew at a very high quality. best: packets where they can be kept, else near-lossless.
"""

Length = Literal["picture", "speech", "loop"]
"""Length of the output when speech and picture are not equally long.

picture: as long as the picture. Longer speech is cut off; after shorter speech there is silence, and a mouth at rest.
speech: as long as the speech. A longer picture is cut off; the last picture of a shorter one stands, its mouth moving.
loop: as long as the speech. A longer picture is cut off; a shorter one begins again from its first frame.
"""

OnFail = Literal["keep", "keep-source", "refuse"]
"""Done with a dub in which a shot fails acceptance: kept and named; kept, with the source's picture in such shots; not
written.
"""
