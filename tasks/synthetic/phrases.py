"""Phrases of the speakers, drawn so that none repeats before all were used."""

from collections.abc import Iterator
from typing import Final

import numpy as np

PHRASES: Final = (
    "Nobody remembered where the map was hidden",
    "The baker opened his shop before dawn",
    "A small boat drifted slowly past the harbour",
    "Maybe we ought to ask my brother about it",
    "The apple tree by the barn bloomed early",
    "Please put both of the books back by the lamp",
    "Tomorrow the weather might be calm and warm",
    "My father bought a motorbike last summer",
    "All of the apples fell from the old wagon",
    "The market was full of plums and peppers",
    "We watched the moon come up above the bay",
    "Her mother played piano every evening",
    "Somebody must have moved the paper boxes",
    "A broad path led up to the marble arch",
    "The bus stopped behind the opera house",
    "Both of them laughed about the broken umbrella",
    "Papa made a pot of barley soup for supper",
    "An empty bottle bobbed about on the water",
    "He probably walked home along the embankment",
    "The farmer promised them a basket of plums",
    "Mark pumped up the ball and passed it over",
    "By half past five the park was almost empty",
    "Anna brought a lamb and a bag of carrots",
    "Open the window and let the air come in",
    "My aunt may visit us on Monday morning",
    "The audience clapped for about an hour",
    "Nobody stopped to look at the old palm tree",
    "I bought some bamboo and a pound of almonds",
    "The postman always arrives a bit after lunch",
    "Barbara wrote a poem about autumn apples",
    "What a marvellous idea to paint the barn",
    "Up on the mountain the maps were no help",
    "The album had a photograph of both boys",
    "Our company opened an office in Panama",
    "Bob and Emma are coming over for breakfast",
    "The lamp on the table burned all night",
    "Apart from that the plan may be possible",
    "Most people had never heard of this problem",
    "The captain ordered the men to drop the sails",
    "My cousin is about to become a translator",
)
"""Rich in open vowels and bilabials, so that the mouth moves much."""


def drawn(rng: np.random.Generator) -> Iterator[str]:
    """Yield phrases in random order, endlessly; each comes once before any repeats."""
    while True:
        for index in rng.permutation(len(PHRASES)):
            yield PHRASES[index]
