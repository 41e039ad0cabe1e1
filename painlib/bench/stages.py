"""The stages that are measured: painlib's way, the published way and the floor of each, by turns."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from painlib.bench import ceilings, ours, published
from painlib.bench.clips import Clip, make_clip
from painlib.bench.following import KnownPlaces, first_followed, run_chain_following
from painlib.bench.measuring import Method, Parts, alternate
from painlib.bench.sizes import BenchSize
from painlib.bench.summary import FOLLOWED
from painlib.cohort import VideoPart
from painlib.faces import FaceStore, load_network_inputs
from painlib.faces.window import SIDE_PER_SPREAD, STRIDE_PX
from painlib.model import PainNet
from painlib.pose import PoseNetwork, fit_size, load_pose_network
from painlib.similarity import find_mutual_pairs
from painlib.video import read_frames, write_video

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Ground:
    """What all stages work on: clips, networks and a store of faces, under `folder`."""

    size: BenchSize
    folder: Path
    ffmpeg: str
    clip: Clip
    chain_clip: Clip
    first_frame: Path  # a video of one frame: what DeepLabCut costs before it begins
    project: Path
    network: PoseNetwork
    network_folder: Path
    net: PainNet
    store: FaceStore
    face_files: list[Path]

    def empty(self, name: str) -> Path:
        """An empty folder for one run."""
        folder = self.folder / "work" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def prepare(size: BenchSize, folder: Path) -> Ground:
    """Draw the clips, make the networks, cut the faces; what is there from the same size is kept."""
    clip = make_clip(folder / "clips", f"{size.name}_clip", size, size.n_frames)
    chain_clip = make_clip(folder / "clips", f"{size.name}_chain", size, size.chain_frames)
    project, network = ours.make_pose_network(clip, size, folder / f"{size.name}_pose")
    store = ours.cut(clip, folder / "work" / "faces", size)
    (folder / "work" / "files").mkdir(parents=True, exist_ok=True)
    files = [folder / "work" / "files" / f"{row}.jpg" for row in range(len(store))]
    for path, jpeg in zip(files, store.read_jpegs(range(len(store))), strict=True):
        path.write_bytes(jpeg.content)
    first = folder / "work" / "first_frame.mp4"
    write_video(first, list_small_frames(chain_clip, size)[:1], 30)
    return Ground(
        size, folder, ceilings.find_ffmpeg(), clip, chain_clip, first, project,
        load_pose_network(network, device="cpu"), network, ours.make_classifier(size), store, files,
    )  # fmt: skip


def measure_products(ground: Ground) -> pd.DataFrame:
    """The matrix product: floating point operations a second in each precision."""
    methods = []
    for precision in PRECISIONS:
        product, operations = ceilings.make_product(ground.size.gemm_side, precision, "cpu")
        methods.append(Method(precision, product, operations))
    return alternate("matrix product", "operation", methods, ground.size.repeats)


def measure_cutting(ground: Ground) -> pd.DataFrame:
    """Decode, shrink, cut and store, against image files, and against decoding alone."""
    clip, n_files = ground.clip, ground.size.file_frames
    methods = [
        Method("ours", lambda: ours.cut(clip, ground.folder / "work" / "cut", ground.size), len(clip)),
        *(
            Method(f"published, {suffix}", partial(cut_as_published, ground, suffix), n_files, "fresh")
            for suffix in ("png", "jpg")
        ),
        Method("floor", lambda: ceilings.decode_only(ground.ffmpeg, clip.path), len(clip), "fresh"),
        Method("floor, PyAV", lambda: ceilings.decode_by_pyav(clip.path), len(clip)),
    ]
    return alternate("decode, shrink, cut, store", "frame", methods, ground.size.repeats)


def cut_as_published(ground: Ground, suffix: str) -> Parts:
    """Re-encode, split and crop the first frames of the clip."""
    size, parts = ground.size, Parts()
    n_files = size.file_frames
    frames, faces = ground.empty(f"frames_{suffix}"), ground.empty(f"faces_{suffix}")
    with parts.measure("re-encode"):
        target = frames / "small.mp4"
        small = (size.pose_width, size.pose_height)
        published.shrink_video(ground.ffmpeg, ground.clip.path, target, *small, n_files)
    with parts.measure("split"):
        published.split(ground.ffmpeg, ground.clip.path, frames, suffix, n_files)
    with parts.measure("crop"):
        centres = {k: at for k, at in ours.find_face_centres(ground.clip).items() if k < n_files}
        published.crop(frames, faces, centres, size.crop_px, suffix)
    shutil.rmtree(frames)
    return parts


def list_pose_methods(ground: Ground) -> list[Method]:
    """The pose network on whole shrunk frames."""
    images = list_small_frames(ground.chain_clip, ground.size)[: ground.size.pose_frames]
    return [
        Method(
            f"ours, {precision}",
            partial(ground.network.predict, images, precision),
            len(images),
            stage="pose",
        )
        for precision in PRECISIONS
    ]


def measure_window(clip: Clip, image: np.ndarray) -> tuple[int, int]:
    """Height and width, px of the shrunk frame `image`, of a window that follows the clip's face."""
    height, width = image.shape[:2]
    points = (clip.keypoints[clip.has_face] + 0.5) * width / clip.width - 0.5
    spread = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1).max()
    side = STRIDE_PX * int(np.ceil(SIDE_PER_SPREAD * spread / STRIDE_PX))
    return min(side, height), min(side, width)


def measure_chain(ground: Ground) -> pd.DataFrame:
    """Everything from 4K video to a probability and a map for each face; between its runs, pose alone."""
    n_frames = len(ground.chain_clip)
    plain = published.build_plainly(ground.net)
    methods = [
        Method(
            f"ours, {name}",
            partial(run_chain, ground, name),
            n_frames,
            # The judge of the other precision has taken this one's place.
            prepare=partial(ours.judge, ground.net, ground.store, np.arange(4), ground.empty("warm"), name),
        )
        for name in PRECISIONS
    ]
    clip, size = ground.clip, ground.size
    known = KnownPlaces(clip, size, list_small_frames(clip, size), ground.network)
    work = ground.folder / "work" / "followed"
    methods += [
        Method(
            FOLLOWED,
            lambda: run_chain_following(clip, known, size, ground.net, work, "bfloat16"),
            len(clip) - first_followed(clip),
        ),
        Method("published", lambda: run_chain_as_published(ground, plain), n_frames, "fresh"),
        Method(
            "published, one frame of pose",
            lambda: published.analyse(ground.project, ground.first_frame, ground.empty("first")),
            1,
        ),
    ]
    return alternate("whole chain", "frame", [*methods, *list_pose_methods(ground)], ground.size.repeats)


def run_chain(ground: Ground, precision: str) -> Any:
    """painlib's way: one pass, then one sweep."""
    workdir = ground.folder / "work" / "chain"
    store = ours.cut(ground.chain_clip, workdir, ground.size, ground.network, precision)
    return ours.judge(ground.net, store, np.arange(len(store)), workdir, precision)


def run_chain_as_published(ground: Ground, plain: Any) -> Parts:
    """Re-encode, analyse, split, crop, predict, attribute."""
    size, parts, clip = ground.size, Parts(), ground.chain_clip
    frames, faces = ground.empty("chain_frames"), ground.empty("chain_faces")
    small = frames / "small.mp4"
    with parts.measure("re-encode"):
        published.shrink_video(ground.ffmpeg, clip.path, small, size.pose_width, size.pose_height, len(clip))
    with parts.measure("pose"):
        published.analyse(ground.project, small, ground.empty("analysed"))
    with parts.measure("split"):
        published.split(ground.ffmpeg, clip.path, frames, "png", len(clip))
    with parts.measure("crop"):
        files = published.crop(frames, faces, ours.find_face_centres(clip), size.crop_px, "png")
    with parts.measure("predict"):
        published.predict(plain, files, size.input_px)
    with parts.measure("Grad-CAM"):
        published.attribute(plain, files, size.input_px)
    shutil.rmtree(frames)
    return parts


def measure_training(ground: Ground) -> pd.DataFrame:
    """Training steps with their input, one epoch."""
    size = ground.size
    rows = np.arange(size.train_faces) % len(ground.store)
    cache = ground.folder / "work" / "train_inputs.npy"
    inputs = np.array(load_network_inputs(ground.store, rows, size.input_px, cache))
    labels = np.arange(len(rows)) % 2
    files = [ground.face_files[row] for row in rows]
    plain = published.build_plainly(ground.net)
    methods = [
        Method("ours", lambda: ours.train_epoch(inputs, labels, size), len(rows)),
        Method(
            "published",
            lambda: published.train_epoch(plain, files, labels.tolist(), size.input_px, size.train_batch),
            len(rows),
        ),
    ]
    return alternate("training step with input", "face", methods, size.repeats)


def measure_judging(ground: Ground) -> pd.DataFrame:
    """Prediction and Grad-CAM from the stored faces on; the published ways are two programs."""
    size, folder = ground.size, ground.empty("judged")
    rows = np.arange(size.judged_faces) % len(ground.store)
    files = [ground.face_files[row] for row in rows]
    plain = published.build_plainly(ground.net)

    def judge_as_published() -> Parts:
        parts = Parts()
        with parts.measure("predict"):
            published.predict(plain, files, size.input_px)
        with parts.measure("Grad-CAM"):
            published.attribute(plain, files, size.input_px)
        return parts

    judge = partial(ours.judge, ground.net, ground.store)
    methods = [
        Method(
            f"ours, {name}",
            partial(judge, rows, folder, name),
            len(rows),
            prepare=partial(judge, rows, folder, name),  # the other way's engine has taken this one's place
        )
        for name in PRECISIONS
    ]
    methods.append(Method("published", judge_as_published, len(rows)))
    return alternate("prediction and Grad-CAM", "face", methods, size.repeats)


def measure_pairs(ground: Ground) -> pd.DataFrame:
    """Mutually nearest faces of two classes."""
    size = ground.size
    features = np.random.default_rng(1).standard_normal((size.pair_faces, size.pair_features))
    label = np.arange(size.pair_faces) % 2
    methods = [
        Method("ours", lambda: find_mutual_pairs(features, label), size.pair_faces),
        Method("published", lambda: published.find_pairs(features, label), size.pair_faces),
    ]
    return alternate("nearest pairs", "face", methods, size.repeats)


STAGES: list[Callable[[Ground], pd.DataFrame]] = [
    measure_products,
    measure_cutting,
    measure_chain,
    measure_training,
    measure_judging,
    measure_pairs,
]


def list_small_frames(clip: Clip, size: BenchSize) -> list[np.ndarray]:
    """The clip's frames at the size at which the pose network sees them."""
    target = fit_size(size.width, size.height, size.pose_width, size.pose_height)
    return [frame.shrunk(*target) for frame in read_frames([VideoPart(str(clip.path))])]
