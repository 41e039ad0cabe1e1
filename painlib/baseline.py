"""A simple judge on the same faces, to compare the network with: HOG, 50 principal components, logistic
regression."""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from painlib.progress import track

N_COMPONENTS = 50


def fit_predict_baseline(
    train_inputs: np.ndarray, train_labels: np.ndarray, test_inputs: np.ndarray, seed: int
) -> np.ndarray:
    """Probability of pain (n_test,) for faces (n, px, px, 3) uint8, learned from `train_inputs` alone.

    `train_labels` (n_train,): 0 or 1. Components and regression are fitted on the training faces only.
    """
    train, test = describe_faces(train_inputs), describe_faces(test_inputs)
    n_components = min(N_COMPONENTS, *train.shape)
    judge: Pipeline = make_pipeline(PCA(n_components, random_state=seed), LogisticRegression(max_iter=2000))
    judge.fit(train, train_labels)
    return judge.predict_proba(test)[:, list(judge.classes_).index(1)].astype(np.float64)


def describe_faces(inputs: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (n, n_features), float32: 9 directions, cells of 8 px, blocks of 2 x 2
    cells."""
    return np.stack(
        [
            hog(rgb2gray(face), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)).astype(
                np.float32
            )
            for face in track(inputs, len(inputs), "Describing faces (HOG)")
        ]
    )
