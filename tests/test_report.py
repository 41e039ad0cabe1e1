"""The report and the notebooks' pages: readable without a network, faults first, nothing left out."""

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny_lab import make_lab

from painlib import report
from painlib.params import as_papermill, load_run
from painlib.provenance import start_stage
from painlib.records import RecordedFault, RunRecord, StageRecord
from painlib.report import shorten_number, write_notebook_page, write_report

# One grey pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
NOTE = "Drawn demonstration, not real mice"


class Page(HTMLParser):
    """What a page would load, what it links to, its pictures and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.pictures: list[dict] = []
        self.scripts = 0
        self.text = ""
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self._hidden = tag in ("style", "script")
        self.scripts += tag == "script" and not (found.get("type") or "").endswith("json")
        if tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "img":
            self.pictures.append(found)
        for name in ("src", "srcset", "data", "poster", "href"):
            if name in found and tag != "a":
                self.loads.append(found[name] or "")

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if self._hidden:
            assert "@import" not in data
            assert "url(http" not in data.replace("'", "").replace('"', "")
        else:
            self.text += data


def assert_loads_nothing(page: Page) -> None:
    assert [load for load in page.loads if not load.startswith("data:")] == []


@pytest.fixture
def lab(tmp_path):
    """A laboratory after 04_statistics: figures, tables, a record; returns folder, run and parameters."""
    run = load_run(make_lab(tmp_path), tmp_path / "notebooks")
    runs = tmp_path / "runs"
    crop = start_stage("crop", run.stages["crop"], [tmp_path / "cohort.csv"])
    for name in (
        "01_rule_shares.png",
        "01_rule_shares.pdf",
        "01_errors.png",
        "01_overlay.mp4",
        "04_panels.png",
    ):
        (runs / "figures").mkdir(parents=True, exist_ok=True)
        (runs / "figures" / name).write_bytes(PNG)
    (runs / "statistics").mkdir()
    rows = "".join(f"AC,t{number},0.01234567\n" for number in range(40))
    (runs / "statistics" / "tests.csv").write_text("assay,test,p\n" + rows)
    (runs / "statistics" / "sentences.csv").write_text(
        'assay,stretch,sentence\nAC,post,"t(8) = 2.1, P = 0.07."\n'
    )
    (runs / "pose").mkdir()
    (runs / "pose" / "evaluation.csv").write_text("point,error_px\nnose,1.5\n")
    (runs / "notebooks").mkdir()
    last_named_first = {"cell_type": "code", "id": "b", "metadata": {}, "outputs": [], "execution_count": 1}
    last_named_first["source"] = (
        "save_figure(figure, figures, '01_rule_shares')\nsave_figure(f, figures, '01_errors')"
    )
    introduction = "# Faces from videos\n\nFinds the **face** in every frame. It reads videos.\n\n- a list"
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": introduction}
    notebook = {"cells": [cell, last_named_first], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (runs / "notebooks" / "01_crop.ipynb").write_text(json.dumps(notebook))
    (runs / "notebooks" / "01_crop.html").touch()
    crop.add_outputs([runs / "pose" / "evaluation.csv"])
    crop.finish()
    return tmp_path, run, {name: as_papermill(params) for name, params in run.stages.items()}


def make_record(folder: Path, **changes) -> RunRecord:
    stages = [
        StageRecord(name="crop", notebook="01_crop", outcome="ran", seconds=75.0, reason="not run yet"),
        StageRecord(name="train", notebook="02_train"),
        StageRecord(name="confounds", notebook="02b_confounds"),
        StageRecord(name="predict", notebook="03_predict"),
        StageRecord(name="statistics", notebook="04_statistics", outcome="skipped"),
        StageRecord(name="gradcam", notebook="05a_gradcam"),
        StageRecord(name="regions", notebook="05b_regions"),
        StageRecord(name="grimace", notebook="06_grimace_scale"),
        StageRecord(name="locomotion", notebook="07_locomotion"),
    ]
    record = RunRecord(
        parameter_file=str(folder / "lab.yaml"),
        workdir=str(folder / "runs"),
        version="9.8.7",
        commit="0123456789abcdef",
        host="bench",
        pid=1,
        started="2026-11-20T10:00:00+00:00",
        stages=stages,
    )
    return record.model_copy(update=changes)


def read_report(lab, record=None, note="") -> tuple[str, Page]:
    folder, _, parameters = lab
    path = write_report(folder / "runs", record or make_record(folder), parameters, note=note)
    assert path == folder / "runs" / "report.html"
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_the_report_loads_nothing_and_its_links_lead_to_files(lab):
    text, page = read_report(lab)
    assert_loads_nothing(page)
    assert page.scripts == 0
    assert not page._hidden
    inside = [link for link in page.links if not link.startswith("#")]
    assert {"notebooks/01_crop.html", "figures/01_rule_shares.pdf", "figures/01_overlay.mp4"} <= set(inside)
    for link in inside:
        assert (lab[0] / "runs" / link).is_file(), link
    anchors = [link[1:] for link in page.links if link.startswith("#")]
    assert anchors == [
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
    assert all(f'id="{anchor}"' in text for anchor in anchors)


def test_the_report_says_what_was_run_with_which_parameters(lab):
    _, page = read_report(lab)
    for words in ("lab.yaml", "9.8.7", "0123456789ab", "2026-11-20 10:00", "bench"):
        assert words in page.text
    assert "Faces from videos" in page.text
    assert "Finds the face in every frame." in page.text
    assert "It reads videos." not in page.text
    assert "1 min 15 s" in page.text
    assert "likelihood_threshold" in page.text
    assert "No stage and no recording failed." in page.text
    assert "sha256:" in page.text


def test_figures_are_inside_the_page_with_an_alternative_text(lab):
    _, page = read_report(lab, note=NOTE)
    embedded = [base64.b64decode(picture["src"].split(",")[1]) for picture in page.pictures]
    assert embedded == [PNG] * 3
    # As the notebook names them, not by the alphabet.
    for picture, words in zip(page.pictures, ("rule shares", "errors", "panels"), strict=True):
        assert words in picture["alt"]
    assert all(NOTE in picture["alt"] for picture in page.pictures)


def test_a_stage_whose_number_has_a_letter_shows_its_own_figures_and_tables(lab):
    runs = lab[0] / "runs"
    for name in ("05a_mean_maps", "05b_frequencies_pairs", "05_of_no_stage"):
        (runs / "figures" / f"{name}.png").write_bytes(PNG)
    (runs / "regions").mkdir()
    (runs / "regions" / "pairs_tests.csv").write_text("region,p_animal\near top,0.03125\n")
    text, _ = read_report(lab)
    gradcam, regions = (
        Page(text.split(f'<section id="{name}">')[1].split("</section>")[0])
        for name in ("gradcam", "regions")
    )
    assert [picture["alt"] for picture in gradcam.pictures] == ["Figure of 05a · Gradcam: mean maps"]
    assert [picture["alt"] for picture in regions.pictures] == ["Figure of 05b · Regions: frequencies pairs"]
    assert "ear top" in regions.text
    assert "ear top" not in gradcam.text


def test_tables_show_their_first_rows_and_sentences_stand_as_text(lab):
    _, page = read_report(lab)
    assert page.text.count("0.01235") == report.TABLE_ROWS
    assert "and 28 more rows in the file" in page.text
    assert "t(8) = 2.1, P = 0.07." in page.text
    assert "pose/evaluation.csv" in page.text
    assert "statistics/tests.csv" in page.text


def test_faults_stand_above_everything_else_and_cannot_break_the_page(lab):
    folder = lab[0]
    failed = StageRecord(
        name="train", notebook="02_train", outcome="failed", message="Expected <b>2</b> animals & more"
    )
    stages = [make_record(folder).stages[0], failed]
    faults = [RecordedFault(stage="crop", recording="m07", message="video is <cut> short")]
    text, page = read_report(lab, make_record(folder, stages=stages, faults=faults))
    assert "Expected <b>2</b> animals & more" in page.text
    assert "video is <cut> short" in page.text
    assert "No stage and no recording failed." not in page.text
    assert text.index("m07") < text.index("<nav")
    assert "failed" in page.text[page.text.index("Faces from videos") :]


def test_a_drawn_cohort_is_called_so_and_a_real_one_is_not(lab):
    assert NOTE in read_report(lab, note=NOTE)[1].text[:1500]
    assert "Drawn" not in read_report(lab)[1].text


def test_numbers_are_shown_short_and_words_as_they_are():
    shown = {
        "0.0123456": "0.01235",
        "12": "12",
        "123456.789": "1.235e+05",
        "1e-9": "1e-9",
        "1.5e-09": "1.5e-09",
    }
    shown |= {"m01.2b": "m01.2b", "": "", "nan": "nan", "0.6 % AC": "0.6 % AC", "1.0": "1"}
    assert {text: shorten_number(text) for text in shown} == shown


def test_a_notebooks_page_loads_nothing_and_names_its_pictures(tmp_path):
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": base64.b64encode(PNG).decode()},
    }
    widget = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>table</b>"}}
    (tmp_path / "picture.png").write_bytes(PNG)
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title\n$x^2$ ![it](picture.png)"},
        {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "Share of frames *per rule*."},
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "source": "1",
            "outputs": [output, widget],
            "execution_count": 1,
        },
    ]
    path = tmp_path / "01_crop.ipynb"
    # Widgets' state would bring nbconvert to load a script from a content network.
    metadata = {
        "widgets": {
            "application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}
        }
    }
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    text = write_notebook_page(path, tmp_path / "01_crop.html").read_text(encoding="utf-8")
    page = Page(text)
    assert_loads_nothing(page)
    assert page.scripts == 0
    assert [picture["alt"] for picture in page.pictures] == ["it", "Share of frames per rule."]
    assert "Title" in page.text
    for network in ("cdnjs", "unpkg", "jsdelivr", "mathjax"):
        assert network not in text.lower()
