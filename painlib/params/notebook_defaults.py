"""The `parameters` cell of a notebook: where the defaults stand, and nowhere else."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from painlib.faults import Faults, PainlibError


def read_notebook_defaults(notebook: str | Path) -> dict[str, Any]:
    """The literal values of the one cell tagged `parameters`: lines of `name: type = value  # comment`."""
    notebook = Path(notebook)
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise PainlibError(
            f"Expected a notebook, got what cannot be read as one: {notebook} ({error})"
        ) from error
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise PainlibError(f"Expected one cell tagged `parameters`, got {len(tagged)}: {notebook}")
    source = "".join(tagged[0]["source"])
    faults = Faults()
    defaults: dict[str, Any] = {}
    try:
        statements = ast.parse(source).body
        comments = _find_comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        raise PainlibError(f"Expected Python in the `parameters` cell, got {error}: {notebook}") from error
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):  # typing's Optional, which the types need
            continue
        try:
            name, value = _read_default(statement, comments)
        except ValueError as error:
            faults.add(f"Line {statement.lineno}: expected `name: type = value  # comment`, got {error}.")
            continue
        if name in defaults:
            faults.add(f"Line {statement.lineno}: expected each name once, got '{name}' again.")
        defaults[name] = value
    faults.raise_if_any(f"The `parameters` cell has faults: {notebook}")
    return defaults


def _find_comments(source: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0] for token in tokens if token.type == tokenize.COMMENT}


def _read_default(statement: ast.stmt, comments: set[int]) -> tuple[str, Any]:
    """Name and value of one line; ValueError says what was got instead of what is allowed."""
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        raise ValueError("another statement")
    if statement.value is None:
        raise ValueError("no value")
    try:
        value = ast.literal_eval(statement.value)
    except ValueError:
        raise ValueError(f"a value that is no literal, {ast.unparse(statement.value)}") from None
    if isinstance(value, dict):
        raise ValueError("a dictionary, which papermill replaces whole")
    if any("#" in text for text in _find_texts(value)):
        raise ValueError("a '#' in a text, where papermill's inspection cuts it")
    annotation = ast.unparse(statement.annotation)
    if "|" in annotation or "Literal" in annotation:
        raise ValueError(f"the type {annotation}, which papermill drops (write Optional[...] or str)")
    if comments.isdisjoint(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)):
        raise ValueError("no comment")
    return statement.target.id, value


def _find_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set):
        for entry in value:
            yield from _find_texts(entry)
