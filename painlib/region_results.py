"""What 05b finds: pairs in both ways, the tests of both samples, and the files that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.params import RegionsParams
from painlib.region_faces import FACE, LabelledFaces, join_marks
from painlib.region_tests import compute_differences, test_frequencies
from painlib.regions import REGIONS
from painlib.similarity import (
    compare_pairings,
    compute_composition,
    compute_pair_distances,
    describe_pairs,
    find_mutual_pairs,
    measure_stability,
    project,
)
from painlib.tables import write_csv

_STARTS = {"blind": "blind", "proposals": "from the proposals"}
COMPOSITION_PX = 32  # side of the images that composition is computed from; it takes 16 x 16 of it


@dataclass(frozen=True)
class Pairings:
    """Mutual nearest pairs, found exactly in feature space and in the 2-D map `points` (n, 2).

    `comparison`: both beside each other; `distances`: of each way's pairs, in feature space; `stability`: the
    map's pairs over seeds, empty for one seed; `description`: the exact pairs in words.
    """

    points: np.ndarray
    exact: pd.DataFrame
    in_map: pd.DataFrame
    comparison: pd.DataFrame
    distances: dict[str, np.ndarray]
    stability: pd.DataFrame
    description: str


@dataclass(frozen=True)
class SampleResult:
    """Tests of one sample: `table` of `test_frequencies`, `differences` of each animal."""

    table: pd.DataFrame
    differences: pd.DataFrame


def find_both_pairings(faces: LabelledFaces, params: RegionsParams) -> Pairings:
    """Features of composition, their map, and the pairs of both, under the same limits."""
    images = faces.load_small(COMPOSITION_PX, params.workdir / "regions" / "composition.npy")
    features = compute_composition(images, faces.landmarks, params.composition)
    index = faces.faces
    limits: dict[str, Any] = {
        "subjects": index["subject"],
        "recordings": index["recording"],
        "time_s": index["time_s"],
        "same_animal": params.same_animal,
        "min_gap_s": params.min_gap_s,
    }
    options: dict[str, Any] = {"method": params.projection, "n_neighbors": params.neighbours}
    points = project(features, seed=params.seed, **options)
    exact = find_mutual_pairs(features, index["label"], **limits)
    in_map = find_mutual_pairs(points, index["label"], **limits)
    seeds = range(params.seed, params.seed + params.map_seeds)
    return Pairings(
        points=points,
        exact=exact,
        in_map=in_map,
        comparison=compare_pairings(exact, in_map, features),
        distances={
            "in feature space": compute_pair_distances(features, exact),
            "in the map": compute_pair_distances(features, in_map),
        },
        stability=measure_stability(features, index["label"], seeds, **options, **limits),
        description=describe_pairs(exact, index["label"]),
    )


def describe_marks(marks: pd.DataFrame, sample: pd.DataFrame, threshold: float) -> str:
    """Who marked how many of the sample's faces, and what they started from, for a figure."""
    n = len(sample[FACE].drop_duplicates())
    told = []
    for (name, start), own in marks.groupby(["annotator", "started_from"]):
        if start == "headless":
            told.append(f"proposed by template and map (mean at least {threshold:g}), nobody has looked")
        else:
            told.append(f"marked by {name} ({len(own):,} of {n:,} faces, starting {_STARTS[str(start)]})")
    return "; ".join(told)


def compare_samples(
    sample: pd.DataFrame, marks: pd.DataFrame, params: RegionsParams
) -> dict[str, SampleResult]:
    """The tests of the marked pairs and of the marked unpaired faces; a sample without marks is left out.

    Raises `PainlibError` where neither has a face that could be judged.
    """
    marked = join_marks(sample, marks)
    # A face drawn for both samples stands in both.
    in_pairs = marked["drawn_for"] == "pairs"
    results = {}
    for name, part in (("pairs", marked[in_pairs]), ("unpaired faces", marked[~in_pairs])):
        if part.empty or part["cannot_judge"].all():
            continue
        results[name] = SampleResult(
            test_frequencies(
                part,
                REGIONS,
                yates=params.yates,
                alpha=params.alpha,
                seed=params.seed,
                n_flips=params.sign_flips,
            ),
            compute_differences(part, REGIONS),
        )
    if not results:
        raise PainlibError(
            f"Expected marked faces that can be judged, got none: {len(marked)} of {len(sample)} faces "
            "are marked. Mark more, or raise `unpaired`; where no pair was found, `same_animal` and "
            "`min_gap_s` may leave none."
        )
    return results


def write_regions(
    folder: Path, pairings: Pairings, results: dict[str, SampleResult], agreement: pd.DataFrame
) -> list[Path]:
    """Keep everything as csv; returns the files."""
    tables = {
        "pairs": pairings.exact,
        "pairs_in_map": pairings.in_map,
        "pair_comparison": pairings.comparison,
        "pair_stability": pairings.stability,
    }
    if results:
        tables["tests"] = pd.concat([result.table.assign(sample=name) for name, result in results.items()])
        tables["animals"] = pd.concat(
            [result.differences.assign(sample=name) for name, result in results.items()]
        )
    if len(agreement):
        tables["agreement"] = agreement
    return [write_csv(table, folder / f"{name}.csv") for name, table in tables.items()]
