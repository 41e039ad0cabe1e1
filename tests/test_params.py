"""Parameters: three sources merged in order, paths where they belong, every fault named at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import painlib
from painlib.faults import PainlibError
from painlib.params import (
    STAGES,
    CropParams,
    GradcamParams,
    PredictParams,
    RegionsParams,
    Run,
    StatisticsParams,
    TrainParams,
    as_papermill,
    describe,
    load_run,
    load_yaml,
    read_notebook_defaults,
)

ROOT = Path(painlib.__file__).parents[1]
CROP = """from typing import Optional
cohort: str = "cohort.csv"  # the cohort table
workdir: str = "run"  # results
seed: int = 0  # any whole number
pose_source: str = "train"  # train, network or tracker
labels: Optional[str] = "labels.csv"  # table of labelled frames
pose_network: Optional[str] = None  # DeepLabCut project
point_names: list[str] = ["nose", "right_eye", "left_eye"]  # in this order
individual: Optional[str] = None  # multi-animal trackers
pose_width: int = 1280  # px
pose_height: int = 720  # px
pose_backbone: str = "resnet_50"  # network
pose_pretrained: str = "require"  # or no
pose_epochs: int = 200  # epochs
pose_batch: int = 8  # frames
pose_precision: str = "float32"  # or bfloat16
pose_follow: bool = False  # whole frames
decoder: str = "software"  # or cuda
pose_learning_rate: float = 1e-4  # of Adam
pose_crop_px: int = 448  # px at pose size
pose_test_fraction: float = 0.1  # share held out
likelihood_threshold: float = 0.9  # 0 to 1
crop_px: Optional[int] = 800  # px of the original video
border: str = "shift"  # shift, pad or drop
jpeg_quality: int = 95  # 50 to 100
workers: int = 2  # videos at once
"""
TRAIN = """input_px: int = 96  # px
channels: list[int] = [16, 32, 64, 128, 256, 512]  # six blocks
head_widths: list[int] = [256, 64]  # two hidden blocks
epochs: int = 20  # epochs
faces_per_epoch: int = 30000  # faces
batch: int = 128  # faces
learning_rate: float = 1e-3  # of Adam
rotation_deg: float = 20.0  # degrees
flip: bool = True  # mirrored at random
folds: Optional[int] = None  # one animal at a time
hold_out: str = "subject"  # or strain, lab
calibration: str = "floor"  # or temperature, isotonic
precision: str = "auto"  # or float32
device: str = "auto"  # auto, cpu, cuda, mps
processes: int = 1  # together
launch: str = ""  # accelerate launch
workers: int = 2  # folds at once
"""
CONFOUNDS = """controls: list[str] = ["vehicle"]  # treatments
faces_per_recording: int = 100  # faces
retrain: bool = False  # also trained
batch: int = 256  # faces
device: str = "auto"  # auto, cpu, cuda, mps
workers: int = 2  # folds at once
"""
PREDICT = """model: Optional[str] = None  # the workdir's
from_video: bool = False  # in one pass
batch: int = 256  # faces
min_coverage: float = 0.01  # 0 to 1
abstain_below: float = 0.5  # never
min_sharpness: Optional[float] = None  # as found
min_size: Optional[float] = None  # as found
max_turn: Optional[float] = None  # as found
precision: str = "float32"  # of the network
device: str = "auto"  # auto, cpu, cuda, mps
workers: int = 2  # recordings at once
"""
STATISTICS = """treatment_key: Optional[str] = None  # sealed key
assays: list[str] = ["AC dose", "crossover"]  # names
minutes: list[str] = ["", ""]  # csv or predictions
groups: list[list[str]] = [["vehicle", "AC 0.6 %", "AC 1 %"], ["vehicle", "CGRP"]]  # treatments
control: list[str] = ["vehicle", "vehicle"]  # of groups
paired: list[bool] = [False, True]  # crossover
window_start_min: float = 0.0  # min from time zero
window_end_min: float = 30.0  # min from time zero
pre_window_min: float = 20.0  # min
alpha: float = 0.05  # level
bootstrap: int = 2000  # resamples
"""
GRADCAM = """faces_per_recording: Optional[int] = None  # all
shown_faces: int = 6  # faces of each class
checked_faces: int = 240  # faces
gradient_steps: int = 32  # steps
evidence_faces: int = 200  # faces of a recording
follows_surroundings: float = 0.05  # probability
auc_surroundings_only: float = 0.7  # AUC
batch: int = 256  # faces
device: str = "auto"  # auto, cpu, cuda, mps
"""
REGIONS = """faces_per_recording: Optional[int] = 500  # faces
composition: str = "both"  # geometry, appearance or both
projection: str = "umap"  # umap, tsne or pca
neighbours: int = 15  # of UMAP
map_seeds: int = 3  # maps
pairs_from: str = "features"  # or map
same_animal: str = "any"  # any, same or different
min_gap_s: float = 0.0  # s
pairs: int = 500  # pairs
unpaired: int = 1000  # faces of each class
proposal_threshold: float = 0.5  # 0 to 1
annotators: list[str] = []  # the proposals
yates: bool = True  # Yates's correction
alpha: float = 0.05  # level
sign_flips: int = 10000  # above 14 animals
interactive: bool = False  # the widget
annotator: str = ""  # in the widget
start_from_proposals: bool = False  # or from nothing
"""
GRIMACE = """faces: int = 1000  # faces
save_faces: bool = False  # as jpg
raters: list[str] = []  # of the widget
score_files: list[str] = []  # of others
score_columns: list[str] = []  # their names
missing_codes: list[str] = ["", "-1"]  # not scored
rejected_codes: list[str] = ["blurry"]  # out
score_all: bool = False  # drawn faces alone
min_units: int = 3  # of five
interactive: bool = False  # the widget
rater: str = ""  # in the widget
"""
LOCOMOTION = """arena_table: Optional[str] = None  # as said there
arena_side_cm: float = 50.0  # as said there
animal: str = "light"  # as said there
animal_min_cm2: float = 5.0  # as said there
animal_max_cm2: float = 100.0  # as said there
background_frames: int = 60  # as said there
track_height: int = 360  # as said there
point_names: list[str] = ["center"]  # as said there
individual: Optional[str] = None  # as said there
likelihood_threshold: float = 0.9  # as said there
smooth_s: float = 0.5  # as said there
still_cm: float = 1.0  # as said there
max_gap_s: float = 1.0  # as said there
max_jump_cm: float = 5.0  # as said there
min_coverage: float = 0.5  # as said there
groups: list[str] = ["vehicle", "1 % AC"]  # as said there
control: str = "vehicle"  # as said there
pre_window_min: float = 60  # as said there
window_start_min: float = 0  # as said there
window_end_min: float = 30  # as said there
alpha: float = 0.05  # as said there
bootstrap: int = 2000  # as said there
workers: int = 2  # as said there
"""
SHARED = "cohort: cohort.csv\nworkdir: ../out\nseed: 7\n"
CELLS = (CROP, TRAIN, CONFOUNDS, PREDICT, STATISTICS, GRADCAM, REGIONS, GRIMACE, LOCOMOTION)


def write_notebook(path: Path, *parameters: str) -> Path:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": "# title"}]
    for source in parameters:
        tags = {"tags": ["parameters"]}
        cells.append({"cell_type": "code", "metadata": tags, "source": source.splitlines(keepends=True)})
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


class House:
    """A folder of notebooks with defaults, and one of parameter files."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        for stage, cell in zip(STAGES, CELLS, strict=True):
            write_notebook(self.notebooks / f"{stage.notebook}.ipynb", cell)
        self.yaml = folder / "params" / "mine.yaml"
        self.yaml.parent.mkdir()

    def load(self, text: str) -> Run:
        self.yaml.write_text(text, encoding="utf-8")
        return load_run(self.yaml, self.notebooks)

    def fault(self, text: str) -> str:
        with pytest.raises(PainlibError) as caught:
            self.load(text)
        assert str(self.yaml) in str(caught.value)
        return str(caught.value)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def crop(**changes: Any) -> CropParams:
    values = {**read_cell(CROP), "cohort": "c.csv", "workdir": "w"}
    return CropParams(**{**values, **changes})


def statistics(**changes: Any) -> StatisticsParams:
    values = {"cohort": "c.csv", "workdir": "w", "seed": 0, **read_cell(STATISTICS)}
    return StatisticsParams(**{**values, **changes})


def regions(**changes: Any) -> RegionsParams:
    values = {"cohort": "c.csv", "workdir": "w", "seed": 0, **read_cell(REGIONS)}
    return RegionsParams(**{**values, **changes})


def read_cell(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec("from typing import Optional\n" + source, names)
    return {name: value for name, value in names.items() if name[0] != "_" and name != "Optional"}


# ---- merging -------------------------------------------------------------------------------------


def test_a_section_wins_over_shared_keys_and_these_over_the_notebook(house: House) -> None:
    run = house.load(SHARED + "train:\n  seed: 11\n  epochs: 3\n")
    train, predict = run.stages["train"], run.stages["predict"]
    assert isinstance(train, TrainParams)
    assert isinstance(predict, PredictParams)
    assert (train.seed, predict.seed) == (11, 7)
    assert (train.epochs, train.faces_per_epoch) == (3, 30000)
    assert list(run.stages) == [
        "crop",
        "train",
        "confounds",
        "predict",
        "statistics",
        "gradcam",
        "regions",
        "grimace",
        "locomotion",
    ]
    assert run.demo is None


def test_two_sections_may_have_a_key_of_the_same_name_and_each_its_own_value(house: House) -> None:
    run = house.load(SHARED + "gradcam: {faces_per_recording: 40}\nregions: {pairs: 20}\n")
    gradcam, region_params = run.stages["gradcam"], run.stages["regions"]
    assert isinstance(gradcam, GradcamParams)
    assert isinstance(region_params, RegionsParams)
    assert (gradcam.faces_per_recording, region_params.faces_per_recording) == (40, 500)
    assert (region_params.pairs, region_params.annotators, region_params.seed) == (20, [], 7)


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_parameter_file_that_comes_with_painlib_fits_the_notebooks(path: Path) -> None:
    run = load_run(path, ROOT / "notebooks")
    assert list(run.stages) == [stage.name for stage in STAGES]
    assert {"gradcam", "regions", "grimace", "locomotion"} <= set(load_yaml(path))
    region_params = run.stages["regions"]
    assert isinstance(region_params, RegionsParams)
    assert not region_params.interactive, "a headless run waits for nobody"


def test_the_published_numbers_of_the_interpretation_stand_in_the_articles_file() -> None:
    """Kobayashi et al. 2025, Interpretation: maps of all images; 500 pairs; 1,000 + 1,000 without pairing."""
    run = load_run(ROOT / "params" / "kobayashi2025.yaml", ROOT / "notebooks")
    gradcam, region_params = run.stages["gradcam"], run.stages["regions"]
    assert isinstance(gradcam, GradcamParams)
    assert isinstance(region_params, RegionsParams)
    assert gradcam.faces_per_recording is None
    assert (region_params.pairs, region_params.unpaired, region_params.alpha) == (500, 1000, 0.05)


def test_a_stage_is_numbered_as_its_notebook_is() -> None:
    assert [stage.number for stage in STAGES] == ["01", "02", "02b", "03", "04", "05a", "05b", "06", "07"]


def test_score_files_stand_against_the_file_that_names_them(house: House) -> None:
    run = house.load(SHARED + "grimace: {score_files: [scores/a.csv, ../b.csv]}\n")
    (grimace,) = [params for name, params in run.stages.items() if name == "grimace"]
    here = run.path.parent
    assert grimace.score_files == [str(here / "scores" / "a.csv"), str(here.parent / "b.csv")]  # type: ignore[attr-defined]


def test_paths_stand_against_the_file_that_names_them(house: House) -> None:
    run = house.load(SHARED + 'crop:\n  pose_network: nets/dlc\nstatistics:\n  minutes: [curves.csv, ""]\n')
    crop_params, stats_params = run.stages["crop"], run.stages["statistics"]
    assert isinstance(crop_params, CropParams)
    assert isinstance(stats_params, StatisticsParams)
    root = house.yaml.parents[1]
    assert crop_params.cohort == root / "params" / "cohort.csv"
    assert crop_params.workdir == root / "out"
    assert crop_params.pose_network == root / "params" / "nets" / "dlc"
    assert crop_params.labels == root / "notebooks" / "labels.csv"
    assert stats_params.minutes == [str(root / "params" / "curves.csv"), ""]


def test_the_demo_section_is_given_as_it_is(house: House) -> None:
    assert house.load(SHARED + "demo:\n  strength: 0.5\n").demo == {"strength": 0.5}


def test_yaml_is_read_as_1_2(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("rate: 1e-3\npretrained: no\nflip: true\nnothing: null\ntime: 12:30\nname: 0.6 %\n")
    assert load_yaml(path) == {
        "rate": 0.001,
        "pretrained": "no",
        "flip": True,
        "nothing": None,
        "time": "12:30",
        "name": "0.6 %",
    }


def test_plain_values_for_papermill_give_the_same_parameters_back(house: House) -> None:
    for params in house.load(SHARED).stages.values():
        plain = json.loads(json.dumps(as_papermill(params)))
        assert Path(plain["cohort"]).is_absolute()
        assert type(params)(**plain) == params


def test_every_parameter_is_described_with_its_value() -> None:
    for stage in STAGES:
        assert all(field.description for field in stage.params.model_fields.values())
    table = describe(crop(crop_px=640)).set_index("parameter")
    assert table.loc["crop_px", "value"] == 640
    assert "px" in table.loc["crop_px", "description"]


# ---- faults of a parameter file ------------------------------------------------------------------


def test_a_misspelt_key_is_named_with_the_one_that_was_meant(house: House) -> None:
    text = house.fault("cohort: c.csv\nworkdirr: out\nseed: 1\ntrainn: {epochs: 3}\ncrop: {crop_pix: 8}\n")
    assert "mine.yaml, key workdirr: expected one of cohort, workdir, seed, cluster, crop" in text
    assert "Did you mean 'workdir'?" in text
    assert "key trainn" in text
    assert "Did you mean 'train'?" in text
    assert (
        "mine.yaml, key crop.crop_pix: expected a key of crop, got an unknown one. Did you mean 'crop_px'?"
        in text
    )
    assert (
        "key workdir: expected a value (folder that all results go to) at the top of the file, got none"
        in text
    )


def test_a_key_in_the_wrong_place_is_sent_to_its_section(house: House) -> None:
    assert "It belongs in the section train." in house.fault(SHARED + "epochs: 3\n")
    assert "It belongs in the section crop." in house.fault(SHARED + "train:\n  crop_px: 800\n")
    several = house.fault(SHARED + "faces_per_recording: 9\n")
    assert "It belongs in the section confounds or gradcam or regions." in several


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "crop: {crop_px: '800'}",
            ("crop.crop_px: expected a valid integer", "got '800' (text). Remove the quotes."),
        ),
        ("crop: {crop_px: 800.5}", ("crop.crop_px", "got 800.5 (number)")),
        ("crop: {workers: 0}", ("expected a value greater than or equal to 1", "got 0 (integer)")),
        ("crop: {workers: true}", ("crop.workers", "got True (true/false)")),
        ("crop: {border: shifft}", ("'shift', 'pad' or 'drop'", "Did you mean 'shift'?")),
        ("crop: {likelihood_threshold: 90}", ("less than or equal to 1", "got 90")),
        ("crop: {pose_learning_rate: .nan}", ("crop.pose_learning_rate", "got nan")),
        ("crop: {labels: ''}", ("crop.labels", "got ''")),
        ("train: {flip: yes}", ("train.flip", "got 'yes' (text). Write true or false.")),
        ("train: {channels: [1, 2, 3]}", ("train.channels", "at least 6 items")),
        ("train: {channels: [1, 2, 3, 4, 5, '6']}", ("train.channels[5]", "got '6' (text)")),
        ("train: {input_px: 32}", ("train.input_px", "greater than or equal to 64")),
        ("statistics: {groups: [vehicle]}", ("statistics.groups[0]", "valid list", "got 'vehicle'")),
        ("gradcam: {auc_surroundings_only: 0.5}", ("gradcam.auc_surroundings_only", "greater than 0.5")),
        ("gradcam: {checked_faces: 1}", ("gradcam.checked_faces", "greater than or equal to 2")),
        ("regions: {projection: umpa}", ("'umap', 'tsne' or 'pca'", "Did you mean 'umap'?")),
        ("regions: {annotators: anna}", ("regions.annotators", "valid list", "got 'anna'")),
        ("regions: {annotators: [anna, 3]}", ("regions.annotators[1]", "got 3 (integer)")),
        ("regions: {proposal_threshold: 0}", ("regions.proposal_threshold", "greater than 0")),
        ("predict: 4", ("key predict: expected a section", "got integer")),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_got(
    house: House, section: str, expected: tuple[str, ...]
) -> None:
    text = house.fault(SHARED + section + "\n")
    for words in expected:
        assert words in text
    assert "(1 fault)" in text


def test_faults_of_all_sections_come_in_one_message(house: House) -> None:
    text = house.fault(
        "cohort: 3\nworkdir: out\ncrop: {workers: 0, borders: pad}\ntrain: {epochs: 0}\nstats: {}\n"
    )
    for words in ("key cohort", "key seed", "crop.workers", "crop.borders", "train.epochs", "key stats"):
        assert words in text
    assert "(6 faults)" in text


def test_a_fault_of_a_default_names_the_notebook(house: House) -> None:
    write_notebook(house.notebooks / "03_predict.ipynb", PREDICT.replace("0.01", "1.01"))
    assert "03_predict.ipynb, default min_coverage" in house.fault(SHARED)
    write_notebook(house.notebooks / "03_predict.ipynb", PREDICT.replace("batch: int = 256  # faces\n", ""))
    assert "03_predict.ipynb, default batch: expected a value (faces a batch), got none" in house.fault(
        SHARED
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cohort: a\ncohort: b\n", "duplicate key"),
        ("- cohort\n", "got list"),
        ("", "got nothing"),
        ("a: [1\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(house: House, text: str, expected: str) -> None:
    assert expected in house.fault(text)


def test_a_syntax_error_is_told_with_file_line_and_remedy(house: House) -> None:
    text = house.fault("cohort: a.csv\nworkdir: runs\ntrain:\n  epochs: [3\nseed: 1\n")
    assert f"{house.yaml}, line 5, column 5: expected ',' or ']'" in text
    assert "all brackets and quotes closed" in text
    assert "unicode string" not in text
    assert f"{house.yaml}, line 2, column 1: found duplicate key" in house.fault("seed: 1\nseed: 2\n")
    house.yaml.write_bytes("cohort: M\u00e4use.csv\n".encode("latin-1"))
    with pytest.raises(PainlibError, match="Expected text in UTF-8, got another encoding at byte 9"):
        load_run(house.yaml, house.notebooks)


def test_a_missing_parameter_file_offers_the_near_name(house: House) -> None:
    house.load(SHARED)
    with pytest.raises(PainlibError, match=r"Did you mean 'mine\.yaml'"):
        load_run(house.yaml.with_name("mien.yaml"), house.notebooks)


# ---- what must fit together ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": None}, "needs `labels`"),
        ({"pose_source": "network"}, "needs `pose_network`"),
        ({"likelihood_threshold": None, "pose_test_fraction": 0.0}, "null needs held-out labelled frames"),
        ({"likelihood_threshold": None, "pose_source": "tracker"}, "got 'tracker'"),
        ({"point_names": ["", "r", "l"]}, "the nose and at least one eye"),
        ({"point_names": ["n", "", ""]}, "the nose and at least one eye"),
        ({"point_names": ["n", "r", "r"]}, "'r' twice"),
    ],
)
def test_a_pose_source_without_what_it_needs_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        crop(**changes)


def test_the_threshold_may_be_left_to_the_held_out_frames() -> None:
    assert crop(likelihood_threshold=None).likelihood_threshold is None


def test_an_eye_that_no_camera_sees_may_be_left_out() -> None:
    assert crop(point_names=["nose", "", "left_eye"]).point_names[1] == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"minutes": [""]}, r"minutes needs one entry an assay \(2\), got 1"),
        ({"paired": [False]}, "paired needs one entry"),
        ({"control": ["vehicle", "saline"]}, r"control\[1\] needs one of .* got 'saline'"),
        ({"groups": [["vehicle", "AC"], ["vehicle"]]}, r"paired\[1\] needs two or more treatments .* got 1"),
        ({"groups": [["vehicle"], ["vehicle", "vehicle"]]}, r"groups\[1\] needs different treatments"),
        ({"assays": ["a", "a"]}, "'a' twice"),
        ({"window_end_min": 0.0}, "window_end_min needs more than window_start_min"),
    ],
)
def test_a_design_that_does_not_fit_together_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        statistics(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"annotators": ["anna", "ben", "anna"]}, "annotators needs different names, got 'anna' twice"),
        ({"annotators": ["anna", " "]}, "annotators needs names, got"),
        ({"interactive": True}, "annotator needs a name while interactive is true, got ''"),
        ({"interactive": True, "annotator": "  "}, "annotator needs a name while interactive is true"),
        ({"interactive": True, "annotators": ["anna"]}, "annotator needs a name while interactive is true"),
    ],
)
def test_marks_without_a_name_or_counted_twice_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        regions(**changes)


def test_who_marks_need_not_be_whose_marks_are_tested() -> None:
    assert regions(interactive=True, annotator="anna").annotators == []
    assert regions(annotators=["anna", "ben"]).annotator == ""


def test_faults_of_annotators_come_together_and_a_default_is_told_from_a_written_value(house: House) -> None:
    text = house.fault(SHARED + "regions: {interactive: true, annotators: [anna, anna]}\n")
    assert "mine.yaml, key regions.annotators: annotators needs different names, got 'anna' twice." in text
    assert "05b_regions.ipynb, default annotator: annotator needs a name while interactive is true" in text
    assert "(2 faults)" in text


def test_lists_that_do_not_fit_are_all_named_with_their_keys(house: House) -> None:
    text = house.fault(SHARED + "statistics: {minutes: [''], control: [vehicle, AC]}\n")
    assert "mine.yaml, key statistics.minutes: minutes needs one entry" in text
    assert "mine.yaml, key statistics.control: control[1] needs one of" in text


def test_parameters_cannot_be_changed_or_forgotten() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        crop().seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Field required"):
        PredictParams(cohort=Path("c.csv"), workdir=Path("w"), seed=0)  # type: ignore[call-arg]


# ---- the parameters cell -------------------------------------------------------------------------


def test_a_value_over_several_lines_may_have_its_comment_on_any_of_them(tmp_path: Path) -> None:
    cell = "a: list[int] = [  # px\n    1,\n]\nb: str = (\n    'x'  # one\n)\n"
    assert read_notebook_defaults(write_notebook(tmp_path / "n.ipynb", cell)) == {"a": [1], "b": "x"}


def test_defaults_are_read_without_running_the_notebook(tmp_path: Path) -> None:
    found = read_notebook_defaults(write_notebook(tmp_path / "n.ipynb", CROP))
    assert found == read_cell(CROP)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a = 1  # one", "got another statement"),
        ("a: int  # one", "got no value"),
        ("a: int = 1 + x  # one", "no literal"),
        ("a: int = 1", "got no comment"),
        ("a: dict = {'b': 1}  # one", "dictionary"),
        ("a: int | None = 1  # one", "write Optional"),
        ("a: str = '#1'  # one", "'#' in a text"),
        ("a: int = 1  # one\na: int = 2  # two", "got 'a' again"),
        ("a: int = (", "expected Python"),
    ],
)
def test_a_parameters_cell_holds_nothing_but_typed_literals_with_a_comment(
    tmp_path: Path, line: str, expected: str
) -> None:
    path = write_notebook(tmp_path / "n.ipynb", line)
    with pytest.raises(PainlibError, match=r"(?i)" + expected) as caught:
        read_notebook_defaults(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cells", [(), ("a: int = 1  # one", "b: int = 1  # one")])
def test_a_notebook_has_one_parameters_cell(tmp_path: Path, cells: tuple[str, ...]) -> None:
    with pytest.raises(PainlibError, match=f"got {len(cells)}"):
        read_notebook_defaults(write_notebook(tmp_path / "n.ipynb", *cells))


def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_text("no json")
    with pytest.raises(PainlibError, match="cannot be read as one"):
        read_notebook_defaults(tmp_path / "n.ipynb")
