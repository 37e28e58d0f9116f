"""Several data sets in shares: `mix:generated:unions=0.5,clouds/=0.5` reads one cloud of each in turn, without an end.

Cloud i belongs to a source by i and the weights alone, and of any first i clouds each source has its share to within
one cloud per source. A source that has an end is read epoch after epoch, each in an order of its own.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.data.batches import subsets
from pointssl.data.cloud import Cloud, Dataset, Points, Up, up_of, verify
from pointssl.data.endless import Sampled, no_end, size_of
from pointssl.errors import DataError, SettingError
from pointssl.ops.counter_random import seed_of

_FORM = "mix:SET=WEIGHT,SET=WEIGHT, such as mix:generated:unions=0.5,clouds/=0.5"


def read_mixture(spec: str) -> list[tuple[str, float]]:
    """Read `mix:SET=WEIGHT,...` as names and weights; the weight stands after the last `=`. Raises `SettingError`."""
    parts: list[tuple[str, float]] = []
    for word in spec.removeprefix("mix:").split(","):
        source, _, text = word.rpartition("=")
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if source.startswith("generated:") and not all("=" in one for one in source.split(":")[2:]):
            weight = -1.0  # what looks like a weight is the value of the last parameter
        if not source or not 0 <= weight < float("inf"):
            raise SettingError(f"'{spec}' must read {_FORM}; '{word}' is no set with a weight of 0 or more")
        if source.startswith("mix:"):
            raise SettingError(f"'{spec}' mixes a mixture; write all of its sources side by side")
        parts.append((source, weight))
    if not sum(weight for _, weight in parts):
        raise SettingError(f"the weights of '{spec}' are all 0; give some source a weight above 0")
    return [(source, weight) for source, weight in parts if weight]


@final
class Mixture:
    """Clouds of several sources; unlabelled, because the classes of one mean nothing in another."""

    endless = True
    classes: tuple[str, ...] = ()
    labels = None

    def __init__(self, sources: Sequence[tuple[Dataset, float]], *, name: str = "mix", seed: int = 0) -> None:
        """Mix data sets by positive weights, which need not add up to one."""
        if not sources or min(weight for _, weight in sources) <= 0:
            raise ValueError(f"sources must be data sets with positive weights, got {[w for _, w in sources]}")
        self._sources = [dataset for dataset, _ in sources]
        for dataset in self._sources:
            if size_of(dataset) == 0:
                raise DataError(f"{dataset.name}, a source of {name}, is empty")
        weights = [Fraction(weight).limit_denominator(10**6) for _, weight in sources]
        # Of what the sources before it left over, each takes this part: whole numbers, so that no rounding adds up.
        self._parts = [weight / sum(weights[i:]) for i, weight in enumerate(weights)]
        self._seed, self.name = seed, name

    @property
    def up(self) -> Up:
        """Axis that points up in all sources; raises `SettingError` where they do not agree."""
        ups = {up_of(dataset) for dataset in self._sources}
        if len(ups) > 1:
            told = ", ".join(f"{dataset.name} on {up_of(dataset)}" for dataset in self._sources)
            raise SettingError(f"the sources of {self.name} do not stand alike ({told}); pack them with one up")
        return ups.pop()

    @property
    def fingerprint(self) -> str:
        """Digest of the sources' and of their shares."""
        what = ([dataset.fingerprint for dataset in self._sources], [str(part) for part in self._parts], self._seed)
        return hashlib.sha256(repr(what).encode()).hexdigest()

    def verify(self) -> None:
        """Compare the sources with their checksums, where they have some; raises `DataError` where they differ."""
        for dataset in self._sources:
            verify(dataset)

    def __len__(self) -> int:
        raise no_end(self.name, "measure on its sources one by one")

    def __getitem__(self, index: int) -> Cloud:
        """Return the cloud without its label."""
        source, draw = self.source_of(index)
        cloud = self._sources[source][self._place(source, draw)]
        return Cloud(cloud.points, cloud.channels, None, cloud.name, cloud.origin)

    def xyz(self, index: int) -> Points:
        """Return the coordinates of one cloud."""
        source, draw = self.source_of(index)
        return self._sources[source].xyz(self._place(source, draw))

    def sample(
        self, indices: Int64[np.ndarray, " b"], points: int, *, seed: int = 0, allow_repeats: bool = False
    ) -> Float32[np.ndarray, "b n 3"]:
        """Return points of every cloud: drawn afresh by generators, a random subset of stored ones.

        Raises `DataError` for stored clouds that cannot be used, as `stack` does.
        """
        found = [self.source_of(int(index)) for index in indices]
        xyz = np.empty((len(found), points, 3), dtype=np.float32)
        for source, dataset in enumerate(self._sources):
            rows = [row for row, (owner, _) in enumerate(found) if owner == source]
            if not rows:
                continue
            draws = np.array([found[row][1] for row in rows], dtype=np.int64)
            places = np.array([self._place(source, int(draw)) for draw in draws], dtype=np.int64)
            if isinstance(dataset, Sampled):
                xyz[rows] = dataset.sample(places, points, seed=seed, allow_repeats=allow_repeats)
            else:
                xyz[rows] = subsets(dataset, places, points, seed=seed, draws=draws, allow_repeats=allow_repeats)
        return xyz

    def source_of(self, index: int) -> tuple[int, int]:
        """Return the source of a cloud, and how many clouds of that source come before it."""
        if index < 0:
            raise IndexError(f"{self.name} begins at cloud 0, there is no cloud {index}")
        for source, part in enumerate(self._parts):
            before, after = index * part.numerator // part.denominator, (index + 1) * part.numerator // part.denominator
            if after > before:
                return source, before
            index -= before
        raise AssertionError("the last source takes all that is left")

    def _place(self, source: int, draw: int) -> int:
        """Return the place in its source of the cloud that is read from there after `draw` others."""
        size = size_of(self._sources[source])
        if size is None:
            return draw
        epoch, within = divmod(draw, size)
        return int(_order(seed_of(self._seed, source, epoch), size)[within])


@lru_cache(maxsize=8)
def _order(seed: int, clouds: int) -> Int64[np.ndarray, " c"]:
    return np.random.default_rng(seed).permutation(clouds)
