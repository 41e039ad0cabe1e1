"""Arena videos of the demonstration: a drawn mouse seen from above, whose path is known.

Bouts of running and rest, turns, walls that are followed; at rest the body breathes and sways, which is no
movement. After 1 % acetic acid the animal moves less. All numbers are ours and say nothing of a drug.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from painlib.progress import track
from painlib.tables import write_csv, write_whole
from painlib.video import write_video

if TYPE_CHECKING:
    import pandas as pd

LAB = "drawn demonstration"
GROUPS = ("vehicle", "1 % AC")
SIDE_CM = 50.0
WALL_CM = 3.5  # as near as the middle of a body comes
FINER = 4  # steps of the walk a frame
VIDEO_QUALITY = 32  # crf; sensor noise costs most of the time
DRAWING_VERSION = 1  # goes up when the same parameters would give other pixels
# Centre (cm ahead), half axes (cm) and grey level of the body's parts, on a dark floor.
BODY = ((-0.3, 3.4, 1.5, 205), (0.2, 2.2, 0.8, 225), (3.0, 1.5, 0.9, 200), (4.1, 0.6, 0.5, 185))
TAIL_GREY, FLOOR_GREY, WALL_GREY, ROOM_GREY = 140, 40, 78, 110


class ArenaDemo(BaseModel):
    """What the arena videos of the demonstration are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    animals_per_group: int = Field(ge=1, le=50, description="animals of vehicle and 1 % AC each")
    pre_minutes: float = Field(gt=0, le=120, description="habituation, minutes")
    post_minutes: float = Field(gt=0, le=120, description="filmed from treatment, minutes")
    px: int = Field(ge=96, le=2160, description="side of the picture, px")
    fps: float = Field(ge=4, le=60, description="frames a second")


@dataclass(frozen=True, eq=False)
class Walk:
    """An animal's path, a row a frame: `xy` cm on the floor, `heading` and `bend` (of the tail) rad,
    `distance` cm walked so far, all of it true."""

    time_s: np.ndarray
    xy: np.ndarray
    heading: np.ndarray
    bend: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class View:
    """The camera: side of the picture and of the floor in it, px, the floor's centre, its turn in rad; `dark`
    is a dark animal on a light floor."""

    px: int
    side_px: float
    centre: tuple[float, float]
    turn: float = 0.0
    dark: bool = False

    def project(self, xy: np.ndarray) -> np.ndarray:
        """(n, 2) cm on the floor -> px of the picture."""
        away = (np.asarray(xy, np.float64) - SIDE_CM / 2) * self.side_px / SIDE_CM
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return away @ np.array([[cos, sin], [-sin, cos]]) + self.centre

    @property
    def corners(self) -> np.ndarray:
        """The floor's corners (4, 2) px, clockwise from the upper left."""
        return self.project(SIDE_CM * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64))


def simulate_walk(
    n_frames: int, fps: float, activity: Callable[[float], float], rng: np.random.Generator
) -> Walk:
    """A walk; `activity` of the time in s is the share of time in motion, 0 to 1."""
    step = 1 / (fps * FINER)
    xy, heading, turn = rng.uniform(WALL_CM, SIDE_CM - WALL_CM, 2), rng.uniform(-np.pi, np.pi), 0.0
    left, length, peak, total = 0.0, 1.0, 0.0, 0.0
    kicks = rng.normal(0, 1, n_frames * FINER)
    rows = np.empty((n_frames, 4))
    for k in range(n_frames * FINER):
        if k % FINER == 0:
            rows[k // FINER] = (*xy, heading, total)
        if left <= 0:  # a bout of running follows a rest, and the other way round
            active = np.clip(activity(k * step), 0.0, 0.95)
            running = peak == 0 and active > 0
            peak = rng.uniform(4, 26) if running else 0.0
            mean_s = 2.5 if running else 2.5 * (1 - active) / max(active, 0.02)
            left = length = rng.gamma(2.0, max(mean_s, 0.3) / 2)
        speed = peak * np.sin(np.pi * np.clip(1 - left / length, 0, 1)) ** 0.7
        turn += step / 0.35 * -turn + 1.6 * np.sqrt(2 * step / 0.35) * kicks[k]
        ahead = xy + 5 * np.array([np.cos(heading), np.sin(heading)])
        if ((ahead < WALL_CM) | (ahead > SIDE_CM - WALL_CM)).any():
            inwards = np.arctan2(*(SIDE_CM / 2 - xy)[::-1])
            turn += step * 25 * np.sign(np.sin(inwards - heading))
        heading += step * turn * min(1.0, speed / 6)
        moved = (xy + step * speed * np.array([np.cos(heading), np.sin(heading)])).clip(
            WALL_CM, SIDE_CM - WALL_CM
        )
        total += float(np.linalg.norm(moved - xy))
        xy, left = moved, left - step
    sway = 0.6 * np.sin(np.cumsum(rng.normal(0.25, 0.1, n_frames)))
    return Walk(np.arange(n_frames) / fps, rows[:, :2], rows[:, 2], sway, rows[:, 3])


def draw_walk(
    walk: Walk, view: View, rng: np.random.Generator, noise: float = 2.0, jitter_cm: float = 0.04
) -> Iterator[np.ndarray]:
    """Frames (px, px, 3) uint8. `noise`: of the sensor, grey levels; `jitter_cm`: sway of the body about its
    true place, standard deviation, cm."""
    floor = _draw_floor(view)
    grains = rng.normal(0, noise, (2 * view.px, 2 * view.px)).astype(np.float32)
    for k in range(len(walk.xy)):
        xy = walk.xy[k] + rng.normal(0, jitter_cm, 2)
        heading = walk.heading[k] + 0.04 * walk.bend[k]
        picture = _draw_mouse(floor, view, xy, heading, walk.bend[k])
        row, column = rng.integers(0, view.px, 2)
        grey = picture + grains[row : row + view.px, column : column + view.px]
        grey = np.clip(255 - grey if view.dark else grey, 0, 255).astype(np.uint8)
        yield np.repeat(grey[..., None], 3, axis=2)


def truth_table(walk: Walk) -> pd.DataFrame:
    """A row a frame: the true place on the floor and the distance walked so far, cm."""
    import pandas as pd

    columns = {"frame": np.arange(len(walk.xy)), "time_s": walk.time_s}
    return pd.DataFrame(
        {**columns, "x_cm": walk.xy[:, 0], "y_cm": walk.xy[:, 1], "distance_cm": walk.distance}
    )


def draw_arenas(folder: str | Path, params: ArenaDemo, seed: int) -> Path:
    """Draw all arena videos under `folder` and give the path of arenas.csv; what is there already is kept.

    Beside it `videos/`, `truth/` (a table a video) and `arenas.json`, what all of it was drawn from.
    """
    import pandas as pd

    folder = Path(folder)
    asked = json.dumps({"drawing": DRAWING_VERSION, "seed": seed, **params.model_dump()}, indent=2) + "\n"
    note = folder / "arenas.json"
    if not note.is_file() or note.read_text(encoding="utf-8") != asked:
        for old in [*folder.glob("truth/*.parquet"), *folder.glob("videos/*.mp4")]:
            old.unlink()
        with write_whole(note) as temporary:
            temporary.write_text(asked, encoding="utf-8")
    rows = []
    animals = range(len(GROUPS) * params.animals_per_group)
    for k in track(animals, len(animals), "drawing arenas"):
        subject, treatment = f"arena{k + 1:02d}", GROUPS[k % len(GROUPS)]
        view = _draw_view(params, np.random.default_rng([seed, zlib.crc32(subject.encode())]))
        _draw_video(folder, params, subject, treatment, view, seed)
        # Each way of telling the scale: found, corners marked, side given.
        corners = "; ".join(f"{x:.1f} {y:.1f}" for x, y in view.corners) if k % 4 == 2 else ""
        rows.append(
            {
                "subject": subject,
                "video": f"videos/{subject}.mp4",
                "treatment": treatment,
                "time_zero_s": 60 * params.pre_minutes,
                "corners": corners,
                "side_px": round(view.side_px, 1) if k % 4 == 3 else None,
                "lab": LAB,
                "exclude_reason": "",
            }
        )
    return write_csv(pd.DataFrame(rows), folder / "arenas.csv")


def find_activity(treatment: str, zero_s: float, own: float) -> Callable[[float], float]:
    """Share of time in motion: it wanes in the new arena, and falls within a minute of 1 % AC."""

    def activity(time_s: float) -> float:
        level = own * (0.45 + 0.3 * np.exp(-time_s / 120))
        if treatment == GROUPS[1] and time_s > zero_s:
            level *= 0.2 + 0.8 * np.exp(-(time_s - zero_s) / 20)
        return float(level)

    return activity


def _draw_view(params: ArenaDemo, rng: np.random.Generator) -> View:
    side = 0.8 * params.px
    centre = params.px / 2 + rng.uniform(-0.02, 0.02, 2) * params.px
    return View(params.px, side, (float(centre[0]), float(centre[1])), float(rng.uniform(-0.04, 0.04)))


def _draw_video(folder: Path, params: ArenaDemo, subject: str, treatment: str, view: View, seed: int) -> None:
    video, truth = folder / "videos" / f"{subject}.mp4", folder / "truth" / f"{subject}.parquet"
    if video.is_file() and truth.is_file():
        return
    rng = np.random.default_rng([seed, zlib.crc32(subject.encode()), 1])
    zero_s = 60 * params.pre_minutes
    activity = find_activity(treatment, zero_s, rng.uniform(0.85, 1.15))
    n_frames = round((zero_s + 60 * params.post_minutes) * params.fps)
    walk = simulate_walk(n_frames, params.fps, activity, rng)
    write_video(video, draw_walk(walk, view, rng), params.fps, crf=VIDEO_QUALITY)
    # The truth comes last: a video without it was not finished.
    with write_whole(truth) as temporary:
        truth_table(walk).to_parquet(temporary, index=False, compression="zstd")


def _draw_floor(view: View) -> np.ndarray:
    """The empty arena (px, px) float32, lit from one side; what is beyond the walls is lighter."""
    places = np.indices((view.px, view.px), np.float64)[::-1].reshape(2, -1).T - view.centre
    cos, sin = np.cos(view.turn), np.sin(view.turn)
    from_middle = np.abs(places @ np.array([[cos, -sin], [sin, cos]])).max(axis=1)
    picture = np.full(view.px**2, float(ROOM_GREY))
    for reach, grey in ((1.6, WALL_GREY), (1.0, FLOOR_GREY)):
        covered = (reach * view.side_px / 2 - from_middle + 0.5).clip(0, 1)  # of a pixel on the edge
        picture += covered * (grey - picture)
    light = np.linspace(-5, 5, view.px)
    lit = picture.reshape(view.px, view.px) + light[:, None] + 0.5 * light[None, :]
    return lit.astype(np.float32)


def _draw_mouse(floor: np.ndarray, view: View, xy: np.ndarray, heading: float, bend: float) -> np.ndarray:
    """The floor with a mouse on it: tail, body, brighter back, head, snout."""
    import cv2

    scale = view.side_px / SIDE_CM
    ahead = np.array([np.cos(heading), np.sin(heading)])
    side = np.array([-ahead[1], ahead[0]])
    picture = floor.copy()
    along = np.linspace(0, 1, 8)[:, None]
    tail = xy - ahead * (3.2 + 6 * along) + side * (1.6 * bend * along**2)
    points = np.round(view.project(tail) * 16).astype(np.int32)
    cv2.polylines(picture, [points], False, TAIL_GREY, max(1, round(0.35 * scale)), cv2.LINE_AA, 4)
    degrees = float(np.degrees(heading + view.turn))
    for distance, long, wide, grey in BODY:
        place = view.project((xy + distance * ahead)[None])[0]
        centre = (round(float(place[0]) * 16), round(float(place[1]) * 16))
        axes = (round(long * scale * 16), round(wide * scale * 16))
        cv2.ellipse(picture, centre, axes, degrees, 0, 360, grey, -1, cv2.LINE_AA, 4)
    return picture
