"""A window that follows the face: the network sees the part of the shrunk frame where nose and eyes last
were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Find = Callable[
    [Sequence[np.ndarray]], np.ndarray
]  # images to (n, 3 points, 3 = x, y, likelihood), px of each

# Ours, all of them.
SEEN = 0.5  # likelihood from which a point leads the window
CHUNK = 8  # frames that share a window, placed by the frames before them
WHOLE_EVERY = 16  # chunks: the first frame of every so many is looked at whole as well
STRIDE_PX = 32  # sides and corners are multiples: coarsest stride of the networks that DeepLabCut has
SIDE_PER_SPREAD = 5.0  # window's side over the largest distance of two points; a face's is 3 to 3.8
RIM = 0.2  # of the side, one spread: a seen point nearer to the rim, and another may lie beyond it
MOST_OF_FRAME = 0.6  # a window of more than this share of the frame saves nothing
MOST_GAP_S = 0.15  # s between two frames: after a longer one the face may be anywhere, as after a scene cut
CUT_LEVELS = 20.0  # grey levels: mean change from frame to frame from which it is a scene cut
SAME_PX, SAME_LIKELIHOOD = 8.0, 0.25  # window and whole frame agree within these


@dataclass
class WindowFollower:
    """Nose and eyes frame after frame, the network looking through a window where it can.

    The window of a chunk of `CHUNK` frames lies around the points seen at the end of the chunk before, at the
    scale of the whole shrunk frame. A frame is looked at whole when nothing was seen there, when nothing is
    seen in the window or a point lies near its rim, from a scene cut or a gap in time to the end of the chunk
    (so always in a time lapse), and in the first frame of every `WHOLE_EVERY` chunks; where window and whole
    frame disagree then, so is the rest of the chunk. Chunks count from the first frame given: the answers
    depend on the frames and their order, not on how they are batched.

    Through the window a network answers otherwise near the rim, and everywhere if it averages over the image
    (group normalisation, as in DeepLabCut's ResNet-50; squeeze-and-excitation).
    """

    find: Find
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("frames", "in_window", "looked_again", "disagreed"), 0)
    )
    _box: tuple[int, int, int, int] | None = None  # of this chunk: left, top, width, height
    _spread: float = 0.0  # px, largest distance of two seen points, in the latest chunk that had two
    _size: tuple[int, ...] = ()
    _thumb: np.ndarray | None = None  # of the frame before
    _time_s: float = -np.inf  # of the frame before
    _chunk: list[np.ndarray] = field(default_factory=list)  # the chunk's points so far

    def __call__(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> np.ndarray:
        """(n, 3, 3) x, y in px of the images, likelihood; images and times, s, follow the call before's."""
        found = []
        place = 0
        while place < len(images):
            end = place + CHUNK - len(self._chunk)
            found.append(self._find_piece(images[place:end], times_s[place:end]))
            place = end
        return np.concatenate(found) if found else np.zeros((0, 3, 3))

    def _find_piece(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> np.ndarray:
        """Frames of one chunk, all of it or its beginning or its end."""
        chunk_number, first = divmod(self.counts["frames"], CHUNK)
        n_before_cut = self._find_cut(images, times_s)
        found = np.full((len(images), 3, 3), np.nan)
        n_window = n_before_cut if self._box is not None else 0
        if n_window:
            found[:n_window] = self._look_through(images[:n_window])
        whole = [row for row in range(len(images)) if row >= n_window or not self._is_good(found[row])]
        self.counts["looked_again"] += sum(row < n_window for row in whole)
        if n_window and first == 0 and chunk_number % WHOLE_EVERY == 0 and 0 not in whole:
            looked = self.find([images[0]])[0]
            self.counts["looked_again"] += 1
            if not _agree(found[0], looked):
                self.counts["disagreed"] += 1
                whole, self._box = list(range(1, len(images))), None
            found[0] = looked
        if whole:
            found[whole] = self.find([images[row] for row in whole])
        self.counts["frames"] += len(images)
        self.counts["in_window"] += n_window
        if n_before_cut < len(images):
            self._box = None
        self._chunk.extend(found)
        if len(self._chunk) == CHUNK:
            self._place_window(np.array(self._chunk))
            self._chunk = []
        return found

    def _find_cut(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> int:
        """How many of the images stand before the first scene cut; a gap in time, and another size of frame,
        are ones too."""
        import cv2

        place = len(images)
        for row, (image, time_s) in enumerate(zip(images, times_s, strict=True)):
            thumb = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
            follows = self._size == image.shape and time_s - self._time_s <= MOST_GAP_S
            before = self._thumb if follows else None
            if before is None or float(np.abs(thumb - before).mean()) > CUT_LEVELS:
                place = min(place, row)
            self._thumb, self._size, self._time_s = thumb, image.shape, time_s
        return place

    def _look_through(self, images: Sequence[np.ndarray]) -> np.ndarray:
        assert self._box is not None
        left, top, width, height = self._box
        found = np.array(self.find([image[top : top + height, left : left + width] for image in images]))
        found[..., :2] += (left, top)
        return found

    def _is_good(self, points: np.ndarray) -> bool:
        """Whether a frame's points (3, 3) through the window stand: one is seen, none near the rim."""
        assert self._box is not None
        seen = points[points[:, 2] >= SEEN, :2]
        corner, size = np.array(self._box[:2]), np.array(self._box[2:])
        frame = np.array(self._size[1::-1])
        # Where the window ends with the frame there is nothing beyond.
        low = np.where(corner > 0, corner + RIM * size, -np.inf)
        high = np.where(corner + size < frame, corner + size - RIM * size, np.inf)
        return len(seen) > 0 and bool(((seen >= low) & (seen <= high)).all())

    def _place_window(self, chunk: np.ndarray) -> None:
        """The window of the next chunk from this one's points (CHUNK, 3, 3); None where the face is lost."""
        before, self._box = self._box, None
        seen = [points[points[:, 2] >= SEEN, :2] for points in chunk]
        spreads = [
            float(np.linalg.norm(points[:, None] - points[None], axis=-1).max())
            for points in seen
            if len(points) > 1
        ]
        if spreads:
            self._spread = max(spreads)
        if not len(seen[-1]) or not self._spread:
            return
        need = SIDE_PER_SPREAD * self._spread
        side = before[2] if before is not None and before[2] == before[3] else 0
        if not need <= side <= 1.5 * need:  # else as it is: another size is another engine
            side = STRIDE_PX * int(np.ceil(need / STRIDE_PX))
        height, width = self._size[:2]
        size = np.array([min(side, width), min(side, height)])
        if size.prod() > MOST_OF_FRAME * width * height:
            return
        corner = STRIDE_PX * np.round((seen[-1].mean(axis=0) - size / 2) / STRIDE_PX)
        corner = np.clip(corner, 0, np.array([width, height]) - size).astype(int)
        self._box = (int(corner[0]), int(corner[1]), int(size[0]), int(size[1]))


def _agree(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two answers (3, 3) to one frame say the same of every point that either of them sees."""
    seen = (first[:, 2] >= SEEN) | (second[:, 2] >= SEEN)
    apart = np.linalg.norm(first[seen, :2] - second[seen, :2], axis=1)
    return bool(
        (apart <= SAME_PX).all() and (np.abs(first[seen, 2] - second[seen, 2]) <= SAME_LIKELIHOOD).all()
    )
