"""People among measured faces: average linkage under constraints, by an index of nearest neighbours.

A node is what one person is known to be: the clips of one face track, of one stated speaker, or a person found before.
It is three sums: how many descriptors, their sum, and the sum of their squared lengths. The mean squared distance
between the descriptors of two nodes follows from these alone, so nothing is ever compared descriptor by descriptor.

Nodes join where each is the other's nearest, round by round; that gives the tree of average linkage, whatever the
order. Neighbours are looked up once, and anew of what has joined when no pair of them can. People found before never
join each other: a new node can only be added to one.

Legend: N nodes, D numbers of a descriptor, C pairs of constraints, K neighbours.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from heterodub.model.features.arrays import Flags

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

NEIGHBOURS: Final = 16
"""Neighbours of a node that are looked at in each round."""
_EXACT_BELOW: Final = 4096
"""Nodes up to which every distance is calculated; above, a graph of neighbours is searched."""
_GRAPH_LINKS: Final = 16
_GRAPH_EFFORT: Final = 64


@dataclass(frozen=True, slots=True)
class Nodes:
    """Sums over the descriptors of each node: count (N,), total (N, D), square (N,). A node without any joins none."""

    count: Reals
    total: Reals
    square: Reals

    @classmethod
    def of(cls, descriptors: Reals, node: Ints, nodes: int) -> Self:
        """Add up descriptors (M, D) by their node (M,)."""
        from scipy.sparse import csr_matrix

        rows = np.arange(len(node))
        adding = csr_matrix((np.ones(len(node)), (node, rows)), (nodes, len(node)))
        lengths = np.einsum("md,md->m", descriptors, descriptors)
        return cls(np.asarray(adding.sum(axis=1)).ravel(), np.asarray(adding @ descriptors), adding @ lengths)

    def __len__(self) -> int:
        return len(self.count)

    def joined(self, root: Ints) -> Self:
        """Add up nodes by their roots; what is no root has none."""
        from scipy.sparse import csr_matrix

        adding = csr_matrix((np.ones(len(root)), (root, np.arange(len(root)))), (len(root), len(root)))
        return replace(self, count=adding @ self.count, total=adding @ self.total, square=adding @ self.square)

    def centroids(self, chosen: Ints) -> Reals:
        """Return the mean descriptors of some nodes."""
        return np.asarray(self.total[chosen] / self.count[chosen, None])

    def spread(self, chosen: Ints) -> Reals:
        """Return the mean squared distances of some nodes' descriptors from their means."""
        means = self.centroids(chosen)
        within = self.square[chosen] / self.count[chosen] - np.einsum("nd,nd->n", means, means)
        return np.asarray(np.maximum(within, 0.0))

    def distance(self, left: Ints, right: Ints, others: "Nodes | None" = None) -> Reals:
        """Return root mean squared distances between the descriptors of pairs of nodes. others: of the right ones."""
        others = others or self
        apart = self.centroids(left) - others.centroids(right)
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", apart, apart) + self.spread(left) + others.spread(right)))


@dataclass(frozen=True, slots=True)
class Constraints:
    """Nodes that are different people.

    left, right (C,): pairs of nodes. node, corpus, name (T,): names that are stated of nodes; two names of one corpus
    are two people.
    """

    left: Ints
    right: Ints
    node: Ints
    corpus: Ints
    name: Ints

    @classmethod
    def none(cls) -> Self:
        """Return no constraints."""
        return cls(*(np.empty(0, np.int64) for _ in range(5)))

    def forbid(self, root: Ints, left: Ints, right: Ints) -> Flags:
        """Return True for pairs of roots that may not join, after nodes have joined their roots."""
        first, second = _ordered(root[self.left], root[self.right])
        wanted_first, wanted_second = _ordered(left, right)
        seen = np.isin(wanted_first * len(root) + wanted_second, first * len(root) + second)
        return np.asarray(seen | self._differ(root, left, right))

    def _differ(self, root: Ints, left: Ints, right: Ints) -> Flags:
        """Return True for pairs of roots that have names in a corpus in common, and not the same."""
        differ = np.zeros(len(left), bool)
        if not len(self.node) or not len(left):
            return differ
        stated = np.unique(np.column_stack([root[self.node], self.corpus, self.name]), axis=0)
        pair, at_left = matches(stated[:, 0], left)
        width = self.corpus.max() + 1
        keys = stated[:, 0] * width + stated[:, 1]
        which, at_right = matches(keys, right[pair] * width + stated[at_left, 1])
        clash = stated[at_left[which], 2] != stated[at_right, 2]
        differ[pair[which[clash]]] = True
        return differ

    def broken(self, root: Ints) -> tuple[Ints, Ints]:
        """Return pairs of nodes that have one root and may not have."""
        same = root[self.left] == root[self.right]
        left, right = [self.left[same]], [self.right[same]]
        if len(self.node):
            order = np.lexsort((self.name, self.corpus, root[self.node]))
            node, corpus, name = self.node[order], self.corpus[order], self.name[order]
            beside = (root[node[1:]] == root[node[:-1]]) & (corpus[1:] == corpus[:-1]) & (name[1:] != name[:-1])
            left.append(node[:-1][beside])
            right.append(node[1:][beside])
        return np.concatenate(left), np.concatenate(right)


@dataclass(frozen=True, slots=True)
class Linkage:
    """Root of each node (N,), the smallest of those that joined; pairs of roots that are near and did not join, since a
    constraint forbids it or both are known, with the distance of each.
    """

    root: Ints
    left: Ints
    right: Ints
    distance: Reals


def link(nodes: Nodes, known: int, constraints: Constraints, limit: float) -> Linkage:
    """Join nodes whose root mean squared distance is below the limit. known: so many first nodes are people found
    before, who do not join each other.
    """
    root = np.arange(len(nodes), dtype=np.int64)
    open_roots = np.flatnonzero(nodes.count > 0)
    seen = _Pairs.none()
    while True:
        pairs = _near(nodes.joined(root), open_roots, known, limit)
        seen = seen.with_(pairs)
        after = _joined(nodes, root, pairs, known, constraints, limit)
        if np.array_equal(after, root):
            return _result(root, seen, nodes, limit)
        root = after
        open_roots = np.unique(root[np.concatenate([pairs.left, pairs.right])])  # others are near nobody, and stay so


def _joined(nodes: Nodes, root: Ints, pairs: "_Pairs", known: int, constraints: Constraints, limit: float) -> Ints:
    """Join along pairs of roots, round by round, until none of them can."""
    while True:
        sums = nodes.joined(root)
        pairs = pairs.of_roots(root, sums, known, limit)
        allowed = ~constraints.forbid(root, pairs.left, pairs.right)
        joins = _nearest(pairs.where(allowed), sums.count, known)
        after = _without_broken(root, joins, constraints)
        if np.array_equal(after, root):
            return root
        root = after


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of roots with their distances."""

    left: Ints
    right: Ints
    distance: Reals

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))

    def where(self, chosen: Flags | Ints) -> Self:
        return replace(self, left=self.left[chosen], right=self.right[chosen], distance=self.distance[chosen])

    def with_(self, other: Self) -> Self:
        both = (np.concatenate(ends) for ends in zip(self._parts(), other._parts(), strict=True))
        return type(self)(*both)

    def of_roots(self, root: Ints, sums: Nodes, known: int, limit: float) -> Self:
        """Return the pairs of the roots that these pairs are part of now, from either end that is new, with their
        distances; those below the limit.
        """
        ends = np.column_stack([root[self.left], root[self.right]])
        ends = np.unique(np.concatenate([ends, ends[:, ::-1]]), axis=0)
        ends = ends[(ends[:, 0] != ends[:, 1]) & (ends[:, 0] >= known)]
        distance = sums.distance(ends[:, 0], ends[:, 1])
        return type(self)(ends[:, 0], ends[:, 1], distance).where(distance < limit)

    def _parts(self) -> tuple[Ints, Ints, Reals]:
        return self.left, self.right, self.distance


def _near(sums: Nodes, roots: Ints, known: int, limit: float) -> _Pairs:
    """Find pairs of roots nearer than the limit, of which one is new: left. Each is found from either end that is."""
    new = roots[roots >= known]
    if not len(new) or len(roots) < 2:
        return _Pairs.none()
    import faiss

    faiss.omp_set_num_threads(1)
    everyone = sums.centroids(roots).astype(np.float32)
    size = everyone.shape[1]
    index: Any = faiss.IndexFlatL2(size)
    if len(roots) > _EXACT_BELOW:
        index = faiss.IndexHNSWFlat(size, _GRAPH_LINKS)
        index.hnsw.efSearch = _GRAPH_EFFORT
    index.add(everyone)
    squared, found = index.search(sums.centroids(new).astype(np.float32), min(NEIGHBOURS + 1, len(roots)))
    left = np.repeat(new, found.shape[1])
    right = np.where(found.ravel() >= 0, roots[found.ravel()], left)
    near = (squared.ravel() < limit * limit) & (left != right)
    left, right = left[near], right[near]
    distance = sums.distance(left, right)
    return _Pairs(left, right, distance).where(distance < limit)


def _nearest(pairs: _Pairs, count: Reals, known: int) -> _Pairs:
    """Return joins of left to right: pairs that are each other's nearest, and what is nearest to somebody who is known
    or takes part in such a pair, and is larger.
    """
    order = np.lexsort((pairs.right, pairs.distance, pairs.left))
    ordered = pairs.where(order)
    first = np.flatnonzero(np.diff(ordered.left, prepend=-1))
    best = ordered.where(first)
    nearest = np.full(len(count), -1, np.int64)
    nearest[best.left] = best.right
    is_mutual = np.zeros(len(count), bool)
    is_mutual[best.left] = nearest[best.right] == best.left
    larger = (count[best.right] > count[best.left]) | (
        (count[best.right] == count[best.left]) & (best.right < best.left)
    )
    joins = best.where((best.right < known) | (is_mutual[best.right] & larger))
    moving = np.zeros(len(count), bool)
    moving[joins.left] = True
    return joins.where(~moving[joins.right])


def _without_broken(root: Ints, joins: _Pairs, constraints: Constraints) -> Ints:
    """Join, but for those whose joining with another at the same host would break a constraint: the farther waits."""
    far = np.zeros(len(root))
    far[joins.left] = joins.distance
    while True:
        moved = np.arange(len(root), dtype=np.int64)
        moved[joins.left] = joins.right
        after = moved[root]
        left, right = constraints.broken(after)
        left, right = root[left], root[right]
        fresh = left != right  # else they were one before: contradictory words of people, which stand
        if not fresh.any():
            return after
        left, right = left[fresh], right[fresh]
        worse = np.where(far[left] >= far[right], left, right)
        joins = joins.where(~np.isin(joins.left, worse))


def _result(root: Ints, seen: _Pairs, nodes: Nodes, limit: float) -> Linkage:
    ends = np.unique(np.sort(np.column_stack([root[seen.left], root[seen.right]]), axis=1), axis=0)
    ends = ends[ends[:, 0] != ends[:, 1]] if len(ends) else ends
    smallest = np.full(len(root), len(root), np.int64)
    np.minimum.at(smallest, root, np.arange(len(root)))
    if not len(ends):
        return Linkage(smallest[root], *_Pairs.none()._parts())
    distance = nodes.joined(root).distance(ends[:, 0], ends[:, 1])
    near = distance < limit
    return Linkage(smallest[root], smallest[ends[near, 0]], smallest[ends[near, 1]], distance[near])


def _ordered(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    return np.minimum(left, right), np.maximum(left, right)


def matches(keys: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """Return, for ascending keys, places in `wanted` and in `keys` of all that are equal."""
    low, high = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
    counts = high - low
    which = np.repeat(np.arange(len(wanted)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return which, np.repeat(low, counts) + np.arange(counts.sum()) - starts
