"""Clips by stratum: how much footage of each kind there is, and what share of it each stage takes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.strata import FACTORS, UNMEASURED, StratumFactor
from heterodub.tasks.identity.units import counted_as
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.where import is_null
from heterodub.tasks.stores.workspace import Workspace

_MOST: Final = 12
"""Strata of a factor on the page, those with most clips; corpora and licences may be many."""


@dataclass(frozen=True, slots=True)
class StratumGroup:
    """Clips of one stratum. stage1, stage2: share of them that the stage takes."""

    stratum: str
    clips: int
    seconds: float
    speakers: int
    stage1: float
    stage2: float


@dataclass(frozen=True, slots=True)
class StratumTable:
    """Strata of a factor, bins ascending, else those with most clips first. left_out: number of strata not listed."""

    factor: StratumFactor
    groups: tuple[StratumGroup, ...]
    left_out: int


def stated_languages(ws: Workspace) -> pa.Table:
    """Return uri and language of the files that state one.

    Raises: WorkspaceError - the table cannot be read.
    """
    return read_where(ws, "catalog", ["uri", "language"], ~is_null("language"))


def stratum_tables(clips: pa.Table, languages: pa.Table) -> tuple[StratumTable, ...]:
    """Divide all clips by each factor. clips: with the factors' columns (but the language), person, frames, stages;
    with uri where any `languages`, of stated_languages, are stated.
    """
    # encoded once, for each table counts them
    people = pa.chunked_array([_encoded(pa.chunked_array([counted_as(clips)]))])
    rows = clips.append_column("language", _languages(clips, languages)).append_column("counted_as", people)
    return tuple(stratum_table(factor, rows) for factor in FACTORS) if clips.num_rows else ()


def strata_column(factor: StratumFactor, values: pa.ChunkedArray) -> tuple[NDArray[np.intp], list[str]]:
    """Return the number of each value's stratum, and the strata; the same as `factor.stratum` of each, but faster."""
    if factor.bounds:
        known = values.cast(pa.float64()).fill_null(np.nan).to_numpy()
        numbers = np.searchsorted(np.array(factor.bounds), known, "right")
        return np.where(np.isnan(known), len(factor.bins), numbers), [*factor.bins, UNMEASURED]
    encoded = _encoded(values)
    labels = [factor.stratum(value) for value in encoded.dictionary.to_pylist()]
    names = list(dict.fromkeys(labels))
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in labels], np.intp)[encoded.indices.to_numpy()], names


def _encoded(values: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return numbers of values and the different values; null is one of them."""
    if pa.types.is_dictionary(values.type):
        return values.combine_chunks()
    return values.combine_chunks().dictionary_encode(null_encoding="encode")


def _languages(clips: pa.Table, stated: pa.Table) -> pa.Array | pa.ChunkedArray:
    """Return the stated language of each clip's file, null without one."""
    if not stated.num_rows:
        return pa.nulls(clips.num_rows, pa.string())
    return stated["language"].take(pc.index_in(clips["uri"], value_set=stated["uri"].combine_chunks()))


def stratum_table(factor: StratumFactor, clips: pa.Table) -> StratumTable:
    """Divide clips by a factor. clips: with its column, frames, stage1, stage2, and counted_as: whom each counts
    as, by tasks/identity/units.py.
    """
    number, names = strata_column(factor, clips[factor.column])
    counts = np.bincount(number, minlength=len(names))
    present = [place for place in np.argsort(-counts, kind="stable").tolist() if counts[place]]
    shown = present[:_MOST]
    if factor.bounds:
        shown = sorted(shown)
    row = np.full(len(names), len(shown))
    row[shown] = np.arange(len(shown))
    of_row = row[number]
    sums = {
        name: np.bincount(of_row, clips[name].cast(pa.float64()).to_numpy(), len(shown) + 1)
        for name in ("frames", "stage1", "stage2")
    }
    speakers = _speakers(of_row, clips["counted_as"], len(shown) + 1)
    groups = tuple(
        StratumGroup(
            names[place],
            int(counts[place]),
            frame_to_second(int(sums["frames"][at])),
            int(speakers[at]),
            float(sums["stage1"][at] / counts[place]),
            float(sums["stage2"][at] / counts[place]),
        )
        for at, place in enumerate(shown)
    )
    return StratumTable(factor, groups, len(present) - len(shown))


def _speakers(row: NDArray[np.intp], speakers: pa.ChunkedArray, rows: int) -> NDArray[np.intp]:
    """Count the speakers of each row."""
    encoded = _encoded(speakers)
    seen = np.zeros((rows, len(encoded.dictionary)), np.bool_)
    seen[row, encoded.indices.to_numpy()] = True
    return np.asarray(seen.sum(axis=1), np.intp)
