"""The template of the 13 regions: the outlines of the package's own pictures of a mouse, read from the SVG.

The pictures are the template: the same elements are shown to people and placed on faces, so the two cannot
differ. Each region is a group whose id is its name (blanks as "_"); what stands later lies on top. Circles
with the ids anchor_nose, anchor_right_eye and anchor_left_eye are the key points.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from painlib.faults import PainlibError
from painlib.regions.names import REGION_COLUMNS, REGIONS

View = Literal["front", "turned", "side"]
VIEWS: tuple[View, ...] = get_args(View)
POINTS = ("nose", "right_eye", "left_eye")
STAGE = REGIONS.index("stage")
CURVE_STEPS = 8  # straight pieces a curve is made of
SCALE = 2  # cells of the lookup a unit of the SVG

_SVG = "{http://www.w3.org/2000/svg}"
_PATH_TOKEN = re.compile(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)")
_N_NUMBERS = {"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0}


@dataclass(frozen=True)
class Template:
    """One picture as outlines, in the SVG's units (x right, y down).

    `anchors` (3, 2): nose, right eye, left eye, NaN where the view does not show it. `outlines`: number of
    the region in REGIONS and its closed polygon (k, 2), from the lowest layer to the topmost; some reach
    beyond `box`, the part (left, top, right, bottom) that the picture shows. `fills`: the colour of each
    region in the picture. `numbers` (rows, columns) uint8: the region at each place, from
    `origin` (x, y) in steps of 1 / SCALE; what lies outside of it is stage.
    """

    view: View
    anchors: np.ndarray
    outlines: tuple[tuple[int, np.ndarray], ...]
    fills: dict[str, str]
    box: tuple[float, float, float, float]
    numbers: np.ndarray
    origin: np.ndarray


def find_picture(view: View) -> Path:
    """The SVG of a view: "front" (both eyes), "turned" (both eyes, the head turned), "side" (one eye)."""
    return Path(__file__).parent / f"mouse_{view}.svg"


@lru_cache(maxsize=8)
def load_template(view: View) -> Template:
    """The template of a view, from its picture."""
    return read_template(find_picture(view), view)


def read_template(path: str | Path, view: View) -> Template:
    """Read outlines and key points from an SVG.

    Groups named by region hold `path` (absolute M, L, C, Q, Z), `polygon`, `rect`, `circle` or `ellipse`,
    without transforms. A region that is missing or stands twice, an unknown group or element, or a
    missing nose is a `PainlibError`.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise PainlibError(f"Expected an SVG of the 13 regions, got {error}: {path}.") from error
    regions = root.find(f"{_SVG}g[@id='regions']")
    names = [] if regions is None else [group.get("id", "") for group in regions]
    if regions is None or sorted(names) != sorted(REGION_COLUMNS):
        raise PainlibError(
            f"Expected in the group `regions` each of {', '.join(REGION_COLUMNS)} once, got "
            f"{', '.join(names) or 'none'}: {path}."
        )
    outlines, fills = [], {}
    for group in regions:
        number = REGION_COLUMNS.index(group.get("id", ""))
        fills[REGIONS[number]] = group.get("fill", "")
        for element in group:
            if element.tag != f"{_SVG}title":
                outlines += [(number, outline) for outline in _find_outlines(element, Path(path))]
    anchors = np.array([_find_anchor(root, point) for point in POINTS])
    if np.isnan(anchors[0]).any() or np.isnan(anchors[1]).any():
        raise PainlibError(f"Expected circles anchor_nose and anchor_right_eye, found them not: {path}.")
    left, top, width, height = (float(number) for number in _PATH_TOKEN.findall(root.get("viewBox", "")))
    box = (left, top, left + width, top + height)
    return Template(view, anchors, tuple(outlines), fills, box, *_fill(outlines))


def _find_anchor(root: ElementTree.Element, point: str) -> tuple[float, float]:
    found = root.find(f".//{_SVG}circle[@id='anchor_{point}']")
    return (np.nan, np.nan) if found is None else (float(found.get("cx", 0)), float(found.get("cy", 0)))


def _find_outlines(element: ElementTree.Element, path: Path) -> list[np.ndarray]:
    """Closed polygons (k, 2) of one element."""
    kind = element.tag.removeprefix(_SVG)
    if kind == "path":
        return _flatten(element.get("d", ""), path)
    if kind == "polygon":
        return [np.array(_PATH_TOKEN.findall(element.get("points", "")), float).reshape(-1, 2)]
    if kind == "rect":
        x, y, width, height = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
        return [np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])]
    if kind in ("circle", "ellipse"):
        centre = np.array([float(element.get("cx", 0)), float(element.get("cy", 0))])
        radii = np.array([float(element.get(name, element.get("r", 0))) for name in ("rx", "ry")])
        angle = np.linspace(0, 2 * np.pi, 8 * CURVE_STEPS, endpoint=False)
        return [centre + radii * np.column_stack([np.cos(angle), np.sin(angle)])]
    raise PainlibError(f"Expected path, polygon, rect, circle or ellipse in a region, got '{kind}': {path}.")


def _flatten(d: str, path: Path) -> list[np.ndarray]:
    """The closed polygons of a path, its curves cut into straight pieces."""
    tokens = _PATH_TOKEN.findall(d)
    polygons: list[np.ndarray] = []
    line: list[np.ndarray] = []
    command, place = "", 0
    while place < len(tokens):
        if tokens[place].isalpha():
            command, place = tokens[place], place + 1
        if command not in _N_NUMBERS:
            raise PainlibError(f"Expected a path of absolute M, L, C, Q and Z, got '{command}': {path}.")
        count = _N_NUMBERS[command]
        points = np.array(tokens[place : place + count], float).reshape(-1, 2)
        place += count
        if command in "MZ" and line:
            polygons.append(np.array(line))
            line = []
        if command in "ML":
            line.append(points[0])
        elif command in "CQ":
            line += list(_bend(np.vstack([line[-1], points])))
    return [*polygons, np.array(line)] if line else polygons


def _bend(corners: np.ndarray) -> np.ndarray:
    """Points (CURVE_STEPS, 2) on the Bezier curve of 3 or 4 `corners`, without its start."""
    share = np.linspace(0, 1, CURVE_STEPS + 1)[1:, None, None]
    points = np.broadcast_to(corners, (CURVE_STEPS, *corners.shape))
    while points.shape[1] > 1:
        points = (1 - share) * points[:, :-1] + share * points[:, 1:]
    return points[:, 0]


def _fill(outlines: list[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The lookup of a template and its origin; the stage's own outlines only frame the picture."""
    import cv2

    corners = np.concatenate([outline for _, outline in outlines])
    origin = np.floor(corners.min(axis=0))
    columns, rows = (np.ceil(corners.max(axis=0)) - origin).astype(int) * SCALE
    numbers = np.full((rows, columns), STAGE, np.uint8)
    bits = 4  # of a cell's fraction, as cv2 wants corners
    for number, outline in outlines:
        # Cell k covers (k to k + 1) / SCALE; cv2 puts whole numbers on the middles of cells.
        cells = ((outline - origin) * SCALE - 0.5) * 2**bits
        cv2.fillPoly(numbers, [np.round(cells).astype(np.int32)], int(number), shift=bits)
    return numbers, origin
