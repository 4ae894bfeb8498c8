import pytest

from heterodub.tasks.synthetic.people import PEOPLE
from heterodub.tasks.synthetic.speech import SpokenWords, Utterance, speak

WORDS = ("Papa may buy a map", "My mother will help him")


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    return [Utterance(person.voice, WORDS, (0.3, 0.4, 0.35)) for person in PEOPLE[:2]]


@pytest.fixture(scope="session")
def spoken(utterances) -> list[SpokenWords]:
    """The same words by two voices."""
    return speak(utterances)
