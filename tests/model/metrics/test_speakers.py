"""Speakers weigh the same; a score that is not there is no zero; what is paired is paired by speaker."""

from typing import NamedTuple

import pytest

from model.metrics.speakers import by_speaker, means, over_speakers, paired


class Row(NamedTuple):
    speaker: str
    error: float | None
    system: str = "own"
    clip_id: str = "c"

    def score(self, name: str) -> float | None:
        return getattr(self, name)


ROWS = [Row("a", 0.1), Row("a", 0.3, clip_id="d"), Row("b", 0.6), Row("c", None)]


def test_speakers_have_equal_weight_and_none_is_not_zero():
    assert by_speaker(ROWS, "error") == pytest.approx({"a": 0.2, "b": 0.6})
    assert over_speakers(ROWS, "error") == pytest.approx(0.4)
    assert over_speakers([Row("c", None)], "error") is None


def test_pairs_need_both_values():
    others = [Row("b", 1.0), Row("c", 2.0), Row("a", 3.0)]
    assert paired(ROWS, others, "error") == (pytest.approx([0.2, 0.6]), [3.0, 1.0])


def test_means_cover_the_scored_systems():
    result = means(ROWS, ("own", "copy"), ("error",))
    assert (result.clips, result.speakers, len(result.means)) == (2, 3, 1)
    assert result.mean("own", "error").mean == pytest.approx(0.4)
    with pytest.raises(KeyError, match="copy: error"):
        result.mean("copy", "error")
    with pytest.raises(ValueError, match="no clip"):
        means([], ("own",), ("error",))
