from pathlib import Path

import pytest

from tasks.sample.make import make_sample
from tasks.sample.people import PEOPLE
from tasks.sample.speech import Speech, Utterance, speak

WORDS = ("Papa may buy a map", "My mother will help him")


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """The whole sample, made once."""
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder)
    return folder


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    return [Utterance(person.voice, WORDS, (0.3, 0.4, 0.35)) for person in PEOPLE[:2]]


@pytest.fixture(scope="session")
def spoken(utterances) -> list[Speech]:
    """The same words by two voices."""
    return speak(utterances)
