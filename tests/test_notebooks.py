"""The shape of every notebook: DESIGN's order of cells, lengths, defaults, and nothing left in them."""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
import pytest

import painlib
from painlib.params import STAGES, LabelParams, read_notebook_defaults

FOLDER = Path(painlib.__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Labelling is work of the hand, which `painlib run` leaves out: its notebook is no stage, and so keeps no
# record of a run. Every other rule holds for it as for the rest.
WITHOUT_STAGE = {"00_label": LabelParams}
STAGE_NAMES = {stage.notebook: stage.name for stage in STAGES}
PARAMS = {**WITHOUT_STAGE, **{stage.notebook: stage.params for stage in STAGES}}
MOST_CELLS, MOST_LINES, MOST_PARAMETER_LINES = 25, 15, 30
# A path of one machine: /home/..., /Users/..., C:\..., ~/...
ABSOLUTE_PATH = re.compile(r"""["'(\s](/(?!/)[A-Za-z_][\w.-]*/|[A-Za-z]:[\\/]|~/)""")
# What opens a widget, and waits for somebody.
OPENING = {"label_points", "mark_regions", "score_faces"}
SHOWING = re.compile(r"\b(save_figure|plot_\w+|Video)\(")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def read_cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def read_source(cell: dict) -> str:
    return "".join(cell["source"])


def read_code(path: Path) -> list[dict]:
    return [cell for cell in read_cells(path) if cell["cell_type"] == "code"]


def has_tag(cell: dict, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def find_calls(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def find_names(nodes: Iterable[ast.AST], use: type[ast.expr_context]) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, use)}


def test_every_stage_has_its_notebook_and_every_notebook_but_that_of_labelling_its_stage():
    assert [path.stem for path in NOTEBOOKS] == [*WITHOUT_STAGE, *(stage.notebook for stage in STAGES)]


def test_a_notebook_is_valid_and_keeps_no_outputs(notebook):
    nbformat.validate(nbformat.read(notebook, as_version=4))
    for cell in read_code(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert "widgets" not in metadata
    assert "papermill" not in metadata


def test_the_first_cells_are_title_parameters_imports_and_run_record(notebook):
    cells = read_cells(notebook)
    assert cells[0]["cell_type"] == "markdown"
    introduction = read_source(cells[0])
    assert introduction.startswith("# ")
    assert "?" in introduction, "the first cell asks the question that the notebook answers"
    assert "reads" in introduction.lower()
    assert "writes" in introduction.lower()
    code = read_code(notebook)
    assert has_tag(code[0], "parameters")
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(read_source(code[1])).body)
    assert f"{PARAMS[notebook.stem].__name__}(" in read_source(code[2])
    if notebook.stem in WITHOUT_STAGE:
        assert not any("start_stage" in read_source(cell) for cell in code)
    else:
        assert f'start_stage("{STAGE_NAMES[notebook.stem]}"' in read_source(code[2])
    for cell in code[2:]:
        imports = [
            node
            for node in ast.walk(ast.parse(read_source(cell)))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert imports == [], "all imports stand in one cell"


def test_one_parameters_cell_holds_typed_commented_literals_for_every_field(notebook):
    assert sum(has_tag(cell, "parameters") for cell in read_cells(notebook)) == 1
    # Reading checks types, comments and literals, and what papermill's inspection would drop.
    defaults = read_notebook_defaults(notebook)
    assert set(defaults) == set(PARAMS[notebook.stem].model_fields)


def test_the_defaults_fit_their_own_bounds(notebook):
    defaults = read_notebook_defaults(notebook)
    if notebook.stem == "01_crop":
        defaults["labels"] = "labels.csv"
    PARAMS[notebook.stem](**defaults)


def test_papermill_sees_every_parameter_with_its_type(notebook):
    from papermill import inspect_notebook

    seen = inspect_notebook(str(notebook))
    assert set(seen) == set(read_notebook_defaults(notebook))
    untyped = [
        name for name, found in seen.items() if found["inferred_type_name"] == "None" or not found["help"]
    ]
    assert untyped == []


def test_cells_are_few_and_short(notebook):
    cells = read_cells(notebook)
    assert len(cells) <= MOST_CELLS
    for cell in read_code(notebook):
        most = MOST_PARAMETER_LINES if has_tag(cell, "parameters") else MOST_LINES
        source = read_source(cell)
        assert len(source.splitlines()) <= most, source


def test_a_notebook_defines_nothing_and_names_no_place_of_one_machine(notebook):
    for cell in read_code(notebook):
        source = read_source(cell)
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), source
            assert not isinstance(node, ast.ImportFrom) or all(alias.name != "*" for alias in node.names)
        assert not re.search(r"^\s*[%!]", source, re.MULTILINE), "no magics: they hide what a cell does"
    for cell in read_cells(notebook):
        assert not ABSOLUTE_PATH.search(read_source(cell)), read_source(cell)


def test_a_notebook_ends_in_a_figure_and_finishes_its_record(notebook):
    code = [read_source(cell) for cell in read_code(notebook)]
    ended = [source for source in code if ".finish()" in source]
    assert len(ended) == (0 if notebook.stem in WITHOUT_STAGE else 1)
    assert SHOWING.search(code[-1]), "the last cell shows a figure, or a film"
    assert any("save_figure(" in source for source in code)


def test_interactive_parts_stand_in_one_guarded_cell_that_no_result_needs(notebook):
    code = read_code(notebook)
    interactive = [read_source(cell) for cell in code if "interactive" in read_source(cell)]
    interactive += [source for cell in code if "ipywidgets" in (source := read_source(cell))]
    guarded = [source for source in interactive if re.search(r"^if interactive\b", source, re.MULTILINE)]
    assert len(guarded) <= 1
    if interactive:
        # Off as it comes: in the guarded cell itself, or as a parameter.
        off = r"^interactive(: bool)?\s*=\s*False\b"
        assert any(re.search(off, source, re.MULTILINE) for source in interactive)
        body = [node for node in ast.parse(guarded[0]).body if not isinstance(node, ast.If)]
        stores = [
            node
            for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) != "interactive"
        ]
        assert stores == []
    assert bool(guarded) == bool(interactive)


def test_a_widget_opens_in_the_guarded_cell_alone_and_what_is_made_there_stays_there(notebook):
    nodes = [node for cell in read_code(notebook) for node in ast.walk(ast.parse(read_source(cell)))]
    guards = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "interactive"]
    inside = [node for guard in guards for node in ast.walk(guard)]
    outside = [node for node in nodes if not any(node is other for other in inside)]
    assert bool(guards) == any("interactive" in read_source(cell) for cell in read_code(notebook))
    assert all(not guard.orelse for guard in guards)
    assert find_calls(outside).isdisjoint(OPENING)
    assert bool(find_calls(inside) & OPENING) == bool(guards)
    assert find_names(inside, ast.Store).isdisjoint(find_names(outside, ast.Load))
