"""Prefect does not look through arguments that are marked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prefect import flow, task

from heterodub.tasks.steps.arguments import unvisited


class Watched(list[int]):
    """Counts how often somebody goes through it."""

    visits = 0

    def __iter__(self) -> Iterator[int]:
        Watched.visits += 1
        return super().__iter__()


@dataclass
class Plan:
    files: list[int] = field(default_factory=lambda: Watched([1, 2]))


@task
def count(plan: Plan) -> int:
    return len(plan.files)


@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize(("mark", "visited"), [(unvisited, False), (lambda plan: plan, True)])
def test_marked_argument_arrives_and_is_not_looked_through(mark, visited):
    Watched.visits = 0
    assert flow(lambda: count(mark(Plan())), name="counting")() == 2
    assert (Watched.visits > 0) is visited
