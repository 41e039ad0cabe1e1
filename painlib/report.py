"""What people read when a run has ended: `report.html` and the executed notebooks as pages, all offline."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from painlib.console import format_seconds
from painlib.params import STAGES, Stage
from painlib.provenance import read_provenance
from painlib.records import RunRecord, StageRecord
from painlib.tables import write_whole

TABLE_ROWS = 12
FIRST_TABLES = ("tests", "held_out")  # what a reader looks for before the rest
# Screen px a figure's px (300 dpi): two columns (174 mm) fill the page, one column half of it.
SCREEN_PX = 0.46
# nbconvert's lab template without what it would load from elsewhere, and with words for each picture.
OFFLINE_TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}"><img
 src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
 alt="{{ output.metadata.get('alt', 'Figure') | escape_html }}"></div>
{%- endblock -%}
"""


def write_report(
    workdir: Path,
    run: RunRecord,
    parameters: dict[str, dict[str, Any]],
    stages: Sequence[Stage] = STAGES,
    note: str = "",
) -> Path:
    """Write workdir/report.html, one page that loads nothing: faults, then each stage with its figures.

    `parameters` are plain values per stage (of `as_papermill`); `note` is that of `cohort_note`.
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(short=shorten_number, quote=quote)
    template = environment.from_string(
        resources.files("painlib").joinpath("report.html").read_text(encoding="utf-8")
    )
    records = {record.name: record for record in run.stages}
    sections = [
        _describe_stage(workdir, stage, records.get(stage.name), parameters.get(stage.name, {}))
        for stage in stages
    ]
    page = template.render(run=run, sections=sections, note=note, failed=[r for r in run.stages if r.message])
    path = workdir / "report.html"
    with write_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def write_notebook_page(notebook: Path, page: Path) -> Path:
    """Write an executed notebook as an html page that loads nothing from elsewhere."""
    import logging

    import nbformat
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": OFFLINE_TEMPLATE})],
        template_file="offline.html.j2",
        embed_images=True,
    )
    exporter.log.setLevel(logging.ERROR)
    content = nbformat.read(notebook, as_version=4)
    _name_pictures(content)
    names = {"metadata": {"name": notebook.stem, "path": str(notebook.parent)}}
    html, _ = exporter.from_notebook_node(content, resources=names)
    with write_whole(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page


def shorten_number(text: Any) -> str:
    """Numbers with four significant digits, whole numbers and words as they are."""
    text = str(text)
    if not re.fullmatch(r"[+-]?\d*\.\d+(e[+-]?\d+)?", text, re.IGNORECASE):
        return text
    return f"{float(text):.4g}"


def _describe_stage(
    workdir: Path, stage: Stage, record: StageRecord | None, parameters: dict[str, Any]
) -> dict[str, Any]:
    """All that the page shows of one stage."""
    provenance = read_provenance(stage.name, workdir) or {}
    executed = [workdir / "notebooks" / f"{stage.notebook}{kind}.ipynb" for kind in ("", ".failed")]
    title, sentence = next((_read_introduction(path) for path in executed if path.is_file()), ("", ""))
    pages = [f"notebooks/{path.stem}.html" for path in executed]
    return {
        "name": stage.name,
        "number": stage.number,
        "title": title or f"{stage.number} · {stage.name.capitalize()}",
        "sentence": sentence,
        "outcome": record.outcome if record else "waiting",
        "reason": _describe_reason(record, provenance),
        "message": record.message if record else "",
        "time": _describe_time(record, provenance),
        "device": provenance.get("device", ""),
        "pages": [page for page in pages if (workdir / page).is_file()],
        "figures": _find_figures(workdir, stage, provenance),
        "sentences": _read_sentences(workdir / stage.name / "sentences.csv"),
        "tables": [_read_first_rows(workdir, path) for path in _find_tables(workdir, stage, provenance)],
        "parameters": parameters,
        "provenance": provenance,
    }


def _describe_time(record: StageRecord | None, provenance: dict[str, Any]) -> str:
    if record and record.seconds is not None:
        return format_seconds(record.seconds)
    seconds = provenance.get("seconds")
    return f"{format_seconds(seconds)}, in an earlier run" if seconds is not None else ""


def _read_introduction(notebook: Path) -> tuple[str, str]:
    """Title and first sentence (the question) of a notebook's first cell, as plain text."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    words = next(
        (text for text in texts if text.startswith("#")), ""
    )  # papermill puts an error's mark before it
    lines = [re.sub(r"[*`]|\[([^]]*)\]\([^)]*\)", r"\1", line).strip() for line in words.splitlines()]
    title = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
    paragraph = " ".join(line for line in lines if line and not line.startswith(("#", "-", "|", ">")))
    return title, re.split(r"(?<=[.?!]) (?=[A-Z])", paragraph.removeprefix("Question. "))[0]


def _describe_reason(record: StageRecord | None, provenance: dict[str, Any]) -> str:
    if record is None or record.outcome not in ("ran", "failed", "not needed"):
        return ""
    earlier = record.outcome == "not needed" and provenance.get("finished")
    return f"{record.reason}; what is shown is of an earlier run" if earlier else record.reason


def _find_figures(workdir: Path, stage: Stage, provenance: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures figures/<nn>_*.png that are the stage's, embedded; other files of that name are links."""
    foreign = {workdir / name for name in provenance.get("beside", [])}
    prefix = f"{stage.number}_"
    notebook = workdir / "notebooks" / f"{stage.notebook}.ipynb"
    source = notebook.read_text(encoding="utf-8") if notebook.is_file() else ""
    pictures = sorted({*(workdir / "figures").glob(f"{prefix}*.png")} - foreign)
    # In the order in which the notebook names them; one that it does not name (-1) comes last.
    pictures.sort(key=lambda picture: source.find(picture.stem) % (len(source) + 1))
    figures = []
    for picture in pictures:
        content = picture.read_bytes()
        beside = sorted(
            path for path in picture.parent.glob(f"{picture.stem}.*") if not path.name.startswith(".")
        )
        figures.append(
            {
                "caption": picture.stem.removeprefix(prefix).replace("_", " "),
                "data": base64.b64encode(content).decode(),
                # The width stands in a PNG's header, which comes first.
                "width": round(int.from_bytes(content[16:20], "big") * SCREEN_PX),
                "links": [f"figures/{path.name}" for path in beside],
            }
        )
    films = sorted({*(workdir / "figures").glob(f"{prefix}*.mp4")} - foreign)
    alone = [film for film in films if not film.with_suffix(".png").is_file()]
    return figures + [
        {
            "caption": film.stem.removeprefix(prefix).replace("_", " "),
            "data": "",
            "links": [f"figures/{film.name}"],
        }
        for film in alone
    ]


def _find_tables(workdir: Path, stage: Stage, provenance: dict[str, Any]) -> list[Path]:
    """A stage's csv tables: its declared outputs, and what lies in the folder of its name."""
    declared = [workdir / entry["path"] for entry in provenance.get("outputs", [])]
    tables = {path.resolve() for path in declared if path.suffix == ".csv" and path.is_file()}
    foreign = {workdir / name for name in provenance.get("beside", [])}
    tables |= {path.resolve() for path in {*(workdir / stage.name).glob("*.csv")} - foreign}
    tables = {path for path in tables if path.name != "sentences.csv" and not path.name.startswith(".")}
    return sorted(tables, key=lambda path: (path.stem not in FIRST_TABLES, path))


def _read_first_rows(workdir: Path, path: Path) -> dict[str, Any]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        body = list(rows)
    inside = path.is_relative_to(workdir.resolve())
    link = path.relative_to(workdir.resolve()).as_posix() if inside else path.as_uri()
    return {"link": link, "header": header, "rows": body[:TABLE_ROWS], "more": len(body) - TABLE_ROWS}


def _read_sentences(path: Path) -> list[dict[str, str]]:
    """The sentences for a methods section that 04_statistics writes: assay, stretch, sentence."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _name_pictures(notebook: Any) -> None:
    """Give each picture an alternative text: the sentence of the markdown cell above it."""
    above = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"\s+", " ", re.sub(r"[#*`]", "", cell.source)).strip()
            above = words[:200] or above
        for output in cell.get("outputs", []):
            if above and "image/png" in output.get("data", {}):
                output.metadata.setdefault("alt", above)
