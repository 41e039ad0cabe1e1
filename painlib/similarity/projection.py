"""A 2-D map of the faces: UMAP, t-SNE or PCA of their composition (paper: which one is not given).

UMAP and t-SNE keep neighbours, not distances; where a pair lies apart in the map says little. A map depends
on its seed: `measure_stability` says by how much the pairs found in it do.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.similarity.pairs import find_mutual_pairs, measure_overlap

Method = Literal["umap", "tsne", "pca"]
METHOD_NAMES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
FEWEST = 5  # faces; below, neighbours say nothing and PCA is drawn
_TSNE_START = 1e-4  # standard deviation of the first axis at the start, as openTSNE and scikit-learn have it


def project(
    features: np.ndarray,
    method: Method = "umap",
    seed: int = 0,
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    perplexity: float = 30.0,
) -> np.ndarray:
    """Map (n, 2) float32 of `features` (n, d), finite; without unit. The same seed gives the same map.

    `n_neighbors` (2 or more) and `min_dist` (0 to 1) are UMAP's, `perplexity` (> 0) is t-SNE's; with few
    faces they are lowered to n - 1 and (n - 1) / 3. All start from PCA. Fewer than 5 faces, or faces that are
    all equal, are mapped by PCA whatever the method; one face, or equal ones, lie at (0, 0). A map found on
    another machine or with another version of the libraries may differ. Raises `PainlibError` for an unknown
    method, NaN, and options out of bounds.
    """
    features = np.asarray(features)
    _check(features, method, n_neighbors, min_dist, perplexity)
    start = _project_pca(features)
    n = len(features)
    if method == "pca" or n < FEWEST or not start.any():
        return start.astype(np.float32)
    if not start[:, 1].any():  # one direction only: noise, so that the faces can leave the line
        start[:, 1] = np.random.default_rng(seed).normal(0, start[:, 0].std() / 100, n)
    if method == "umap":
        found = _fit_umap(features, start, seed, min(n_neighbors, n - 1), min_dist)
    else:
        found = _fit_tsne(features, start, seed, min(perplexity, (n - 1) / 3))
    return np.asarray(found, np.float32)


def measure_stability(
    features: np.ndarray,
    label: Sequence[int] | np.ndarray | pd.Series,
    seeds: Iterable[int],
    method: Method = "umap",
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    perplexity: float = 30.0,
    **limits: Any,
) -> pd.DataFrame:
    """How far the mutual pairs found in the map depend on its seed: one row for each two of the `seeds`.

    `limits` goes to `find_mutual_pairs` (subjects, same_animal, …). Columns: seed_1, seed_2, n_1, n_2 (pairs
    of each map), n_shared (pairs of both), overlap (shared among those of either, 0 to 1; NaN without
    pairs).
    """
    options = {"n_neighbors": n_neighbors, "min_dist": min_dist, "perplexity": perplexity}
    found = {
        seed: find_mutual_pairs(project(features, method, seed, **options), label, **limits)  # type: ignore[arg-type]
        for seed in dict.fromkeys(seeds)
    }
    rows = []
    for (seed_1, one), (seed_2, other) in combinations(found.items(), 2):
        shared = one.merge(other, on=["row_no_pain", "row_pain"])
        rows.append((seed_1, seed_2, len(one), len(other), len(shared), measure_overlap(one, other)))
    return pd.DataFrame(rows, columns=["seed_1", "seed_2", "n_1", "n_2", "n_shared", "overlap"])


def _check(features: np.ndarray, method: str, n_neighbors: int, min_dist: float, perplexity: float) -> None:
    if method not in METHOD_NAMES:
        raise PainlibError(f"Map: expected a method among {', '.join(METHOD_NAMES)}, got {method!r}.")
    if features.ndim != 2 or not features.shape[1] or not np.isfinite(features).all():
        raise PainlibError(
            f"Map: expected finite features (n, d), got shape {features.shape}"
            f"{' with NaN or infinite values' if features.ndim == 2 and features.shape[1] else ''}."
        )
    if n_neighbors < 2 or not 0 <= min_dist <= 1 or perplexity <= 0:
        raise PainlibError(
            "Map: expected n_neighbors >= 2, min_dist from 0 to 1 and perplexity > 0, got "
            f"{n_neighbors}, {min_dist} and {perplexity}."
        )


def _project_pca(features: np.ndarray) -> np.ndarray:
    """The two directions of most variance, (n, 2) float64; an axis that there is not is 0."""
    centred = features.astype(np.float64) - (features.mean(axis=0, dtype=np.float64) if len(features) else 0)
    size = np.abs(centred).max(initial=0.0)
    if size <= 1e-9 * np.abs(features).max(initial=0.0):  # equal but for rounding
        return np.zeros((len(features), 2))
    _, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])  # a sign that is fixed
    found = np.zeros((len(features), 2))
    found[:, : axes.shape[1]] = centred @ axes
    return found


def _fit_umap(
    features: np.ndarray, start: np.ndarray, seed: int, n_neighbors: int, min_dist: float
) -> np.ndarray:
    with warnings.catch_warnings():
        # Of numba and scikit-learn about their own future, of umap about a part that is not used here.
        warnings.simplefilter("ignore")
        import umap  # seconds to load, and more to compile at its first fit: only where it is asked for

        fit = umap.UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            init=start.astype(np.float32),
            random_state=seed,
            n_jobs=1,  # several threads would ignore the seed
        )
        return fit.fit_transform(features.astype(np.float32))


def _fit_tsne(features: np.ndarray, start: np.ndarray, seed: int, perplexity: float) -> np.ndarray:
    from sklearn.manifold import TSNE

    fit = TSNE(
        perplexity=perplexity,
        init=(start / start[:, 0].std() * _TSNE_START).astype(np.float32),
        random_state=seed,
        n_jobs=1,
    )
    return fit.fit_transform(features.astype(np.float32))
