import numpy as np
import pytest

from heterodub.tasks.identity import linkage
from heterodub.tasks.identity.linkage import Constraints, Nodes, link
from tests.tasks.identity.drawn import look, person


def nodes_of(faces):
    return Nodes.of(np.stack(faces), np.arange(len(faces)), len(faces))


def pairs(*ends):
    left, right = np.array(ends, np.int64).reshape(-1, 2).T
    return Constraints(left, right, *(np.empty(0, np.int64),) * 3)


def stated(*rows):
    node, corpus, name = np.array(rows, np.int64).reshape(-1, 3).T
    return Constraints(np.empty(0, np.int64), np.empty(0, np.int64), node, corpus, name)


def test_distance_of_nodes_is_that_of_all_their_descriptors():
    chance = np.random.default_rng(0)
    faces, node = chance.normal(size=(9, 128)), np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    sums = Nodes.of(faces, node, 2)
    squared = ((faces[:4, None] - faces[None, 4:]) ** 2).sum(axis=2)
    assert sums.distance(np.array([0]), np.array([1]))[0] == pytest.approx(np.sqrt(squared.mean()))


@pytest.mark.parametrize("exact", [4096, 10])  # by all distances, and by the graph of neighbours
def test_link_finds_people_whatever_the_order(monkeypatch, exact):
    monkeypatch.setattr(linkage, "_EXACT_BELOW", exact)
    who = np.arange(120) % 12
    faces = [look(person(one), number) for number, one in enumerate(who)]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(who))
        root = link(nodes_of([faces[place] for place in order]), 0, Constraints.none(), 0.45).root
        same = root[:, None] == root[None]
        assert (same == (who[order][:, None] == who[order][None])).all()


def test_constraints_hold_and_what_is_near_is_named():
    faces = [look(person(0), number) for number in range(6)]
    result = link(nodes_of(faces), 0, pairs((0, 1), (2, 3)), 0.45)
    assert result.root[0] != result.root[1] and result.root[2] != result.root[3]
    assert len(np.unique(result.root)) == 2 and len(result.left) == 1 and result.distance[0] < 0.45


def test_two_names_of_a_corpus_are_two_people_and_of_two_corpora_may_be_one():
    faces = [look(person(0), number) for number in range(8)]
    root = link(nodes_of(faces), 0, stated((0, 0, 0), (1, 0, 1), (2, 1, 2), (3, 0, 0)), 0.45).root
    assert root[0] == root[3] != root[1] and len(np.unique(root)) == 2
    assert len(np.unique(link(nodes_of(faces), 0, stated((0, 0, 0), (1, 1, 1)), 0.45).root)) == 1


def test_known_people_stay_two_and_the_nearer_one_is_joined():
    near, far = person(0), look(person(0), 99, 0.25)
    faces = [near, far, look(near, 1, 0.05), look(far, 2, 0.05)]
    result = link(nodes_of(faces), 2, Constraints.none(), 0.45)
    assert result.root.tolist() == [0, 1, 0, 1]
    assert (result.left.tolist(), result.right.tolist()) == ([0], [1])


def test_nodes_without_faces_join_nobody():
    sums = Nodes.of(person(0)[None], np.array([1]), 3)
    assert link(sums, 0, Constraints.none(), 0.45).root.tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(8))
def test_random_constraints_always_hold(seed):
    chance = np.random.default_rng(seed)
    who = chance.integers(0, 6, 80)
    faces = [look(person(one), number, chance.uniform(0.1, 0.35)) for number, one in enumerate(who)]
    ends = chance.integers(0, 80, (60, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    known = int(chance.integers(0, 5))
    names = np.column_stack([chance.permutation(80)[:30], chance.integers(0, 2, 30), chance.integers(0, 4, 30)])
    constraints = Constraints(ends[:, 0], ends[:, 1], names[:, 0], names[:, 1], names[:, 2])
    root = link(nodes_of(faces), known, constraints, 0.5).root
    assert (root[ends[:, 0]] != root[ends[:, 1]]).all()
    assert len(np.unique(root[:known])) == known
    for one in range(2):
        rows = names[names[:, 1] == one]
        for left in rows:
            others = rows[(root[rows[:, 0]] == root[left[0]]) & (rows[:, 0] != left[0])]
            assert (others[:, 2] == left[2]).all()
