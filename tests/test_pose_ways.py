"""Long checks (`make verify`): faster ways of running a pose network decide as DeepLabCut's own does."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from demonstration import ROOT, have_faces, run_demonstration
from pose_ways import WAYS, compare_ways
from shock_faces import CROP_PX, THRESHOLD, hold_out, list_mice

from painlib.cohort import Recording, iter_recordings, load_cohort
from painlib.demo import DemoParams, draw_cohort
from painlib.engines import choose_precision
from painlib.faces import FaceStore, load_network_inputs
from painlib.faces.pose_source import choose_threshold
from painlib.model import PainNet
from painlib.params import CropParams, TrainParams, load_run
from painlib.pose import load_pose_network
from painlib.training import train_classifier

pytestmark = pytest.mark.verify


def load_params(folder: Path) -> tuple[CropParams, TrainParams]:
    """Those of params/demo.yaml, for recordings worked on under `folder`."""
    stages = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks").stages
    crop, train = stages["crop"], stages["train"]
    assert isinstance(crop, CropParams)
    assert isinstance(train, TrainParams)
    return crop.model_copy(update={"pose_source": "network", "workdir": folder}), train


def train_on_folder(folder: Path, recordings: list[Recording], train: TrainParams, out: Path) -> PainNet:
    """The classifier of the labelled faces that lie in `folder`; its inputs go to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    store = FaceStore(folder, recordings)
    pain = {recording.name: int(recording.label == "pain") for recording in recordings if recording.label}
    rows = np.flatnonzero(store.index["recording"].isin(pain))
    labels = store.index["recording"].iloc[rows].map(pain).to_numpy(np.int64)
    inputs = load_network_inputs(store, rows, train.input_px, out / "inputs.npy")
    every = np.arange(len(rows))
    return train_classifier(inputs, labels, every, train, 1, checkpoint=out / "net.pt").net


def hold_out_once(real: Path, kept: Path, mouse: str) -> Path:
    """Where `hold_out` has left pose network and faces of this mouse as the one held out, seed 1."""
    folder = kept / "shock" / f"1_{mouse}"
    if not (folder / "inputs.npy").is_file():
        hold_out(real, folder, mouse, 1, pose_epochs=250, epochs=6)
    return folder


def tell_and_hold(ways: pd.DataFrame, about: str, follows: bool) -> None:
    """Print all; hold whole frames to the issue's limits, in float32 0.1 %, in bfloat16 1 %.

    A video in which bfloat16 is found too far off on the spot is read in float32: that is told (`fell_back`),
    and must not be the rule.
    """
    print("\n", json.dumps({"about": about, "ways": ways.to_dict("records")}))
    by_way = ways.set_index("way")
    for way, row in by_way.iterrows():
        asked = f"openvino {choose_precision(WAYS[way][0], 'cpu')}"
        assert row["engines"] == (f"{asked}, torch float32" if row["fell_back"] else asked)
    assert by_way.loc["float32", "apart_px"] < 0.05 * 10, "10: a frame is shrunk by less"
    assert by_way.loc["float32", "changed"] <= 0.001
    assert by_way.loc["bfloat16", "changed"] <= 0.01
    assert by_way.loc["float32", "fell_back"] == 0
    assert by_way.loc["bfloat16", "fell_back"] <= by_way.loc["bfloat16", "videos"] / 2
    # A window is an option: what it changes is told (`meets`); it must not fall to pieces.
    windows = by_way.loc[["float32, window", "bfloat16, window"]]
    looks = windows[["in_window", "at_half_size", "whole"]].sum(axis=1)
    assert (windows["in_window"] > 0.2).all()
    assert (looks >= 1).all()
    if not follows:  # of a time lapse every frame is searched
        assert ((windows["at_half_size"] + windows["whole"]) >= 0.99).all()
    assert (windows["changed"] <= (0.04 if follows else 0.03)).all()


@pytest.mark.parametrize("film", ["time lapse", "film"])
def test_faster_ways_decide_alike_on_drawn_mice(kept, film):
    """Animals that no network was trained on: of the demonstration, a frame every two seconds, from one to
    the next of which a face may be anywhere; and drawn anew at ten frames a second, where it can be
    followed."""
    folder = kept / "strength1_seed1"
    if not have_faces(folder):
        run_demonstration(folder, 1, 1.0)
    here = kept / f"ways_{film.replace(' ', '_')}"
    params, train = load_params(folder)
    known = iter_recordings(load_cohort(folder / "cohort" / "cohort.csv"))
    net = train_on_folder(folder, known, train, here / "net")
    if film == "film":
        recordings = iter_recordings(load_cohort(draw_film(here / "cohort")))
    else:
        judged = [recording for recording in known if not recording.label]
        some = sorted({recording.subject for recording in judged})[:6]  # two of each group
        recordings = [recording for recording in judged if recording.subject in some]
    assert params.crop_px is not None
    ways = compare_ways(
        recordings,
        here,
        params=params,
        network_path=folder / "pose_network" / "network",
        threshold=choose_threshold(params, pd.read_csv(folder / "pose_network" / "evaluation.csv")),
        crop_px=params.crop_px,
        judge=lambda subject: net,
        input_px=train.input_px,
    )
    tell_and_hold(ways, f"drawn mice, {film}", follows=film == "film")


def draw_film(folder: Path) -> Path:
    """Two animals before and after acetic acid, a minute each, two cameras, 10 frames/s; the cohort table."""
    demo = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks").demo
    assert demo is not None
    sizes: dict = {
        "arena": None,
        "training_animals": 2,
        "training_minutes": 1,
        "assay_animals_per_group": 0,
        "label_animals": 2,
    }
    return draw_cohort(folder, DemoParams(**{**demo, **sizes, "seed": 11, "fps": 10.0, "workers": 1}))


def test_faster_ways_decide_alike_on_real_mice(real, kept):
    """A mouse that neither pose network nor classifier has seen; trials of 0 and 500 µA."""
    mouse = list_mice(real)[0]
    folder = hold_out_once(real, kept, mouse)
    params, train = load_params(folder)
    every = iter_recordings(load_cohort(folder / "cohort.csv"))
    others = [recording for recording in every if recording.subject != mouse]
    net = train_on_folder(folder, others, train, kept / "ways_real" / "net")
    ways = compare_ways(
        [recording for recording in every if recording.subject == mouse],
        kept / "ways_real",
        params=params,
        network_path=folder / "pose_network" / "network",
        threshold=THRESHOLD,
        crop_px=CROP_PX,
        judge=lambda subject: net,
        input_px=train.input_px,
    )
    tell_and_hold(ways, f"real mice, {mouse} held out", follows=True)


def test_points_of_a_real_video_are_those_of_deeplabcuts_own_analysis(real, kept, tmp_path):
    """`deeplabcut.analyze_videos` of a real film, network trained on real mice: float32 within 0.05 px and
    0.005, bfloat16 within 0.2 px of the network's own px where a point is placed."""
    import deeplabcut

    mouse = list_mice(real)[0]
    folder = hold_out_once(real, kept, mouse)
    trials = pd.read_csv(real / "shock_faces" / "trials.csv")
    video = real / "shock_faces" / "videos" / trials.loc[trials["mouse"] == mouse, "video"].iloc[0]
    config = folder / "pose_network" / "project" / "config.yaml"
    deeplabcut.analyze_videos(config, [str(video)], shuffle=1, device="cpu", destfolder=str(tmp_path))
    (file,) = tmp_path.glob(f"{video.stem}DLC*.h5")
    theirs = pd.read_hdf(file)
    theirs = theirs.to_numpy().reshape(len(theirs), -1, 3)
    capture = cv2.VideoCapture(str(video))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(len(theirs))]
    network = load_pose_network(folder / "pose_network" / "network", device="cpu")
    order = [network.point_names.index(name) for name in network.bodyparts]
    placed = theirs[..., 2] >= 0.1
    told = {}
    for precision in ("float32", "bfloat16"):
        ours = network.predict(frames, precision)[:, order]
        apart = np.linalg.norm((ours - theirs)[..., :2], axis=2)
        told[precision] = {
            "px": float(apart[placed].max()),
            "px_anywhere": float(apart.max()),
            "likelihood": float(np.abs(ours - theirs)[..., 2].max()),
        }
    print(
        "\n", json.dumps({"video": video.name, "frames": len(frames), "placed": float(placed.mean()), **told})
    )
    assert told["float32"]["px"] <= 0.05
    assert told["float32"]["likelihood"] <= 0.005
    assert told["bfloat16"]["px"] <= 0.2
