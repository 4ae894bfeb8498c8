import json

import pyarrow as pa
import pytest

from heterodub.schemas.config.sections import CorpusLimit, DriftSettings
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.monitoring.drift import corpus_drift, drift_of, facts_of
from tests.tasks.monitoring.made_runs import measured


def test_planted_drift_is_found_and_nothing_else():
    now, before = measured(200, 1, {"sharpness": -0.3}), measured(300, 2)
    result = corpus_drift("web", now, before, "corpus", 0.25)
    assert [one.signal for one in result.beyond] == ["sharpness"]
    assert result.warning().startswith(
        "corpus web drifts from its clips in the last release (limit 0.25): sharpness 0."
    )
    assert "->" in result.warning()


def test_signal_that_ceases_to_be_measured_is_a_drift():
    result = corpus_drift("web", measured(200, 1, missing={"snr_db": 0.9}), measured(300, 2), "corpus", 0.25)
    assert [one.signal for one in result.beyond] == ["snr_db"]
    assert result.beyond[0].now.missing == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("seed", range(10))
def test_two_samples_of_one_source_are_no_drift(seed: int):
    result = corpus_drift("web", measured(60, seed), measured(300, 100 + seed), "corpus", 0.01)
    assert result.beyond == ()
    assert result.warning() == ""
    assert len(result.signals) == len(SIGNAL_NAMES)


def test_single_outlier_file_is_no_drift():
    now = measured(5, 1, {"sharpness": 50.0})
    result = corpus_drift("web", now, measured(300, 2), "corpus", 0.25)
    assert max(one.distance for one in result.signals) == 1
    assert result.beyond == ()


def test_limit_is_the_corpus_s_own():
    settings = DriftSettings(limit=0.2, corpora=(CorpusLimit(name="wild", limit=1.0),))
    now, before = measured(200, 1, {"sharpness": 9.0}), measured(300, 2)
    assert corpus_drift("tame", now, before, "corpus", settings.of("tame")).beyond
    assert not corpus_drift("wild", now, before, "corpus", settings.of("wild")).beyond


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_invalid_limits_are_refused(limit: float):
    with pytest.raises(ValueError, match="limit"):
        DriftSettings(limit=limit)
    with pytest.raises(ValueError, match="limit"):
        CorpusLimit(name="web", limit=limit)


@pytest.mark.parametrize("before", [None, measured(5, 1).slice(0, 0)])
def test_missing_release_gives_a_spread_without_a_distance(before: pa.Table | None):
    result = corpus_drift("web", measured(50, 1), before, "corpus", 0.25)
    assert (result.against, result.beyond) == (None, ())
    assert all(one.distance is None and one.now.quantiles for one in result.signals)


def test_drift_round_trips_through_its_record():
    now = measured(50, 1, missing={"snr_db": 1.0})
    for before in (None, measured(60, 2)):
        result = corpus_drift("web", now, before, "release", 0.25)
        assert drift_of(json.loads(json.dumps(facts_of(result)))) == result
