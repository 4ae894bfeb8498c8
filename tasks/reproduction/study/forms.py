"""Presentation orders of raters: random, and balanced over raters.

With S systems there are S rounds; in a round each clip is shown once. In round r of form f, clip c is shown as made by
system (r + c + f) mod S: a Latin square, so that over S raters each video is in each round once, no rater sees a clip
again before every clip was seen, and every system is seen equally often in each round.
"""

import random
from collections.abc import Sequence
from typing import Final

ORDERS: Final = 4
"""Number of Latin squares: an order repeats after this number times the systems."""

Seen = tuple[int, int]
"""Number of the clip, number of the system."""


def forms(clips: int, systems: int, rounds: int | None, draw: random.Random) -> list[list[Seen]]:
    """Draw the orders that raters get in turn, as many as systems times ORDERS.

    rounds: number of rounds shown, for raters with little time; all if left out.

    Raises: ValueError - there are fewer rounds than one or more than systems.
    """
    shown = systems if rounds is None else rounds
    if not 1 <= shown <= systems:
        raise ValueError(f"rounds are 1 to {systems}, one for each system; {shown} cannot be shown")
    orders = []
    for _ in range(ORDERS):  # squares
        names = draw.sample(range(systems), systems)  # anew, so that no system always follows the same one
        orders += [_form(clips, names, shown, number, draw) for number in range(systems)]
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
