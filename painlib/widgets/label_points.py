"""The widget that nose and eyes are labelled with, in JupyterLab, for the pose network of 01_crop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import traitlets

from painlib.places import name_file
from painlib.pose.labels import KEYPOINTS
from painlib.widgets.labelling import ABSENT, LabellingSession
from painlib.widgets.step_widget import StepWidget, read_assets


class LabelPoints(StepWidget):
    """A frame at a time: click nose, right eye, left eye, or say that one is not to be seen."""

    _esm, _css = read_assets("label_points").values()

    points: traitlets.List[Any] = traitlets.List().tag(sync=True)
    sizes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    captions: traitlets.List[Any] = traitlets.List().tag(sync=True)

    _session: LabellingSession

    def __init__(self, session: LabellingSession) -> None:
        frames = session.frames
        captions = [
            f"{name_file(video)} · frame {frame:,}"
            for video, frame in zip(frames["video"], frames["frame"], strict=True)
        ]
        super().__init__(
            session,
            title=session.path.name,
            points=[name.replace("_", " ") for name in KEYPOINTS],
            sizes=frames[["width", "height"]].astype(int).to_numpy().tolist(),
            captions=captions,
        )

    def _apply(self, step: dict[str, Any]) -> None:
        place, do = int(step["place"]), step["do"]
        if do == "place":
            self._session.place_point(place, int(step["point"]), float(step["x"]), float(step["y"]))
        elif do == "absent":
            self._session.say_absent(place, int(step["point"]))
        elif do == "none":
            self._session.say_absent(place)
        elif do == "clear":
            self._session.clear(place, int(step["point"]))
        elif do == "next":
            self._session.move(place + 1)
        else:
            raise ValueError(f"expected a step of this widget, got {do!r}")

    def _save(self) -> None:
        self._session.save()

    def _describe_place(self, place: int) -> list[Any]:
        """For each point [x, y], "absent", or None."""
        return [
            point if point is None or point == ABSENT else list(point)
            for point in self._session.answer(place)
        ]

    def _read_items(self, places: list[int]) -> list[tuple[dict[str, Any], list[bytes]]]:
        return [({}, [Path(self._session.frames["image"].iloc[place]).read_bytes()]) for place in places]


def label_points(frames: pd.DataFrame, out: str | Path) -> LabelPoints:
    """The widget in which nose, right eye and left eye are clicked on `frames`; show it in a cell.

    `frames` is the table of `choose_frames` (`video`, `frame`, `subject`, `camera`, `width`, `height`,
    `image`). Every step is saved: frames whose three points are placed or said to be absent to the csv table
    `out`, which `painlib.pose.load_labels` reads and 01_crop trains from; one that is only begun to
    `<name>.unfinished.csv` beside it. Called again, it goes on where it stopped. Raises `PainlibError` where
    `frames` or a table that is there already cannot be used.
    """
    return LabelPoints(LabellingSession(frames, out))
