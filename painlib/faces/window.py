"""A window that follows the face: the network sees the part of the shrunk frame where nose and eyes last
were, and looks for a lost face in the frame at half size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Find = Callable[
    [Sequence[np.ndarray]], np.ndarray
]  # images to (n, 3 points, 3 = x, y, likelihood), px of each
Box = tuple[int, int, int, int]  # left, top, width, height

# Ours, all of them.
SEEN = (
    0.5  # likelihood from which a point leads the window; the threshold of the crop rules where that is lower
)
LEAST_SEEN = 0.01  # a point that a network does not have comes with likelihood 0
CHUNK = 2  # frames that share a window, placed by the frames before them
WHOLE_EVERY = 64  # chunks: the first frame of every so many is looked at whole as well
STRIDE_PX = 32  # sides and corners are multiples: coarsest stride of the networks that DeepLabCut has
SIDE_PER_SPREAD = 4.0  # window's side over the largest distance of two points; a face's is 3 to 3.8
RIM = 0.25  # of the side, one spread: a seen point nearer to the rim, and another may lie beyond it
MOST_OF_FRAME = 0.6  # a window of more than this share of the frame saves nothing
MOST_GAP_S = 0.15  # s between two frames: after a longer one the face may be anywhere, as after a scene cut
CUT_LEVELS = 20.0  # grey levels: mean change from frame to frame from which it is a scene cut
SAME_PX, SAME_LIKELIHOOD = 8.0, 0.25  # window and whole frame agree within these
HINT = 0.5  # share of that, from which on a point at half size leads to a closer look
UNSURE = 0.4  # log odds: nearer to the threshold than this, the whole frame decides (0.86 to 0.93 for 0.9)
PROVEN = 16  # frames with a face that the half size must have led to before it is relied on


@dataclass
class WindowFollower:
    """Nose and eyes frame after frame, the network looking through a window where it can.

    The window of a chunk of `CHUNK` frames lies around the points seen at the end of the chunk before, at the
    scale of the whole shrunk frame. A frame is lost when no window was placed, when nothing is seen in it or
    a point lies near its rim, and from a scene cut or a gap in time to the end of the chunk (so always in a
    time lapse). A lost frame is looked at whole; or, once that has led to each of the first `PROVEN` faces of
    the video, at half its sides, a quarter of the work, then through a window where that gives a hint, and
    whole where the window fails too.

    Where the crop rule hangs on a likelihood near `threshold`, the little that a window changes would tell,
    and the whole frame decides. The first frame of every `WHOLE_EVERY` chunks is looked at whole in any case:
    a window that it contradicts is given up; half the size, where it does not lead to the face, for the rest
    of the video.

    Chunks count from the first frame given: the answers depend on the frames and their order, not on how they
    are batched. Through the window a network answers otherwise near the rim, and everywhere if it averages
    over the image (group normalisation, as in DeepLabCut's ResNet-50; squeeze-and-excitation).

    `counts`: frames; looks through a window, at half size and at whole frames; checks that
    contradicted the window; chunks in which half the size missed a face.
    """

    find: Find
    threshold: float
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("frames", "in_window", "at_half_size", "whole", "disagreed", "missed"), 0
        )
    )
    _box: Box | None = None  # of this chunk
    _side: int = 0  # px, of windows; 0 until two points were seen in one frame
    _size: tuple[int, ...] = ()
    _thumb: np.ndarray | None = None  # of the frame before
    _time_s: float = -np.inf  # of the frame before
    _chunk: list[np.ndarray] = field(default_factory=list)  # the chunk's points so far
    _led: list[bool] = field(default_factory=list)  # of this chunk: half the size led to a face seen whole
    _n_led: int = 0  # before this chunk

    def __call__(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> np.ndarray:
        """(n, 3, 3) x, y in px of the images, likelihood; images and times, s, follow the call before's."""
        found = []
        place = 0
        while place < len(images):
            end = place + CHUNK - len(self._chunk)
            found.append(self._find_piece(images[place:end], times_s[place:end]))
            place = end
        return np.concatenate(found) if found else np.zeros((0, 3, 3))

    @property
    def _seen(self) -> float:
        return max(min(SEEN, self.threshold), LEAST_SEEN)

    @property
    def _halves(self) -> bool:
        """Whether half the size is relied on."""
        return self._n_led >= PROVEN and not self.counts["missed"]

    def _find_piece(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> np.ndarray:
        """Frames of one chunk, all of it or its beginning or its end."""
        chunk_number, first = divmod(self.counts["frames"], CHUNK)
        n_before_cut, box = self._find_cut(images, times_s), self._box
        found = np.full((len(images), 3, 3), np.nan)
        rows = range(len(images))
        settled: set[int] = set()  # rows that need no further look
        if box is not None and n_before_cut:
            found[:n_before_cut] = self._look_through(images[:n_before_cut], [box] * n_before_cut)
            settled = {row for row in rows[:n_before_cut] if self._is_good(found[row], box)}
        if n_before_cut < len(images):
            self._box = None
        is_checked = first == 0 and chunk_number % WHOLE_EVERY == 0
        if is_checked and (0 in settled or self._halves):
            (looked,) = self._look_whole(images[:1])
            if 0 in settled and not _agree(found[0], looked, self._seen):
                self.counts["disagreed"] += 1
                settled, self._box = set(), None
            found[0] = looked
            settled.add(0)
        unsure = [row for row in settled if not (row == 0 and is_checked) and self._is_unsure(found[row])]
        lost = [row for row in rows if row not in settled]
        if lost and self._halves:
            self._search(images, lost, found)
            lost = []
        if unsure or lost:
            found[unsure + lost] = self._look_whole([images[row] for row in unsure + lost])
        self._prove(images, found, every=self._n_led < PROVEN, first=is_checked)
        self.counts["frames"] += len(images)
        self._chunk.extend(found)
        if len(self._chunk) == CHUNK:
            self._end_chunk()
        return found

    def _find_cut(self, images: Sequence[np.ndarray], times_s: Sequence[float]) -> int:
        """How many of the images stand before the first scene cut; a gap in time, and another size of frame,
        are ones too."""
        import cv2

        place = len(images)
        for row, (image, time_s) in enumerate(zip(images, times_s, strict=True)):
            thumb = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
            follows = self._size == image.shape and 0 <= time_s - self._time_s <= MOST_GAP_S
            before = self._thumb if follows else None
            if before is None or float(np.abs(thumb - before).mean()) > CUT_LEVELS:
                place = min(place, row)
            self._thumb, self._size, self._time_s = thumb, image.shape, time_s
        return place

    def _look_whole(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """At whole frames."""
        self.counts["whole"] += len(images)
        return np.array(self.find(images))

    def _look_at_half(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """At frames of half the sides; points in px of the frames given."""
        import cv2

        self.counts["at_half_size"] += len(images)
        height, width = self._size[0] // 2, self._size[1] // 2
        small = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images]
        found = np.array(self.find(small))
        found[..., :2] = (found[..., :2] + 0.5) * (self._size[1] / width, self._size[0] / height) - 0.5
        return found

    def _search(self, images: Sequence[np.ndarray], rows: list[int], found: np.ndarray) -> None:
        """Fill in `rows` of `found`, which were lost: by half the size, then windows, then whole frames."""
        found[rows] = self._look_at_half([images[row] for row in rows])
        hint = HINT * self._seen
        hinted = [row for row in rows if (found[row, :, 2] >= hint).any()]
        placed = [(row, box) for row in hinted if (box := self._place_on(found[row], hint)) is not None]
        lost = [row for row in hinted if row not in dict(placed)]
        if placed:
            closer = self._look_through([images[row] for row, _ in placed], [box for _, box in placed])
            for (row, box), points in zip(placed, closer, strict=True):
                found[row] = points
                if not self._is_good(points, box) or self._is_unsure(points):
                    lost.append(row)
        if lost:
            found[lost] = self._look_whole([images[row] for row in lost])

    def _look_through(self, images: Sequence[np.ndarray], boxes: Sequence[Box]) -> np.ndarray:
        """At each image through its window."""
        parts = [
            image[top : top + height, left : left + width]
            for image, (left, top, width, height) in zip(images, boxes, strict=True)
        ]
        found = np.array(self.find(parts))
        found[..., :2] += np.array(boxes)[:, None, :2]
        self.counts["in_window"] += len(images)
        return found

    def _is_good(self, points: np.ndarray, box: Box, rim: float = RIM) -> bool:
        """Whether a frame's points (3, 3) through the window stand: one is seen, none near the rim."""
        seen = points[points[:, 2] >= self._seen, :2]
        corner, size = np.array(box[:2]), np.array(box[2:])
        frame = np.array(self._size[1::-1])
        # Where the window ends with the frame there is nothing beyond.
        low = np.where(corner > 0, corner + rim * size, -np.inf)
        high = np.where(corner + size < frame, corner + size - rim * size, np.inf)
        return len(seen) > 0 and bool(((seen >= low) & (seen <= high)).all())

    def _is_unsure(self, points: np.ndarray) -> bool:
        """Whether the crop rule of a frame's points (3, 3) hangs on a likelihood near the threshold."""
        above = _log_odds(points[:, 2]) - _log_odds(np.float64(self.threshold))
        near, nose, eyes = np.abs(above) < UNSURE, above[0], above[1:]
        return bool((near[0] and eyes.max() > -UNSURE) or (nose > -UNSURE and near[1:].any()))

    def _prove(self, images: Sequence[np.ndarray], found: np.ndarray, every: bool, first: bool) -> None:
        """Note whether half the size leads to the face in `every` of these frames that shows one, or in the
        `first`."""
        if not self._side or self.counts["missed"]:
            return
        rows = range(len(images)) if every else range(1 if first else 0)
        faces = [row for row in rows if (found[row, :, 2] >= self._seen).any()]
        if faces:
            hints = self._look_at_half([images[row] for row in faces])
            self._led += [self._leads(hint, found[row]) for row, hint in zip(faces, hints, strict=True)]

    def _leads(self, hint: np.ndarray, points: np.ndarray) -> bool:
        """Whether half the size, (3, 3), leads to a frame's points, (3, 3)."""
        likelihood = HINT * self._seen
        if not (hint[:, 2] >= likelihood).any():
            return False
        box = self._place_on(hint, likelihood)
        return box is None or self._is_good(points, box, rim=0.0)

    def _end_chunk(self) -> None:
        """Place the next chunk's window from this one's points; None where the face is lost."""
        chunk, self._chunk = np.array(self._chunk), []
        self.counts["missed"] += not all(self._led)
        self._n_led, self._led = self._n_led + len(self._led), []
        seen = [points[points[:, 2] >= self._seen, :2] for points in chunk]
        spreads = [
            float(np.linalg.norm(points[:, None] - points[None], axis=-1).max())
            for points in seen
            if len(points) > 1
        ]
        if spreads:
            need = SIDE_PER_SPREAD * max(spreads)
            if not need <= self._side <= 1.5 * need:  # else as it is: another size is another engine
                self._side = STRIDE_PX * int(np.ceil(need / STRIDE_PX))
        self._box = self._place_on(chunk[-1], self._seen)

    def _place_on(self, points: np.ndarray, likelihood: float) -> Box | None:
        """The window around those of a frame's points (3, 3) that have this likelihood; None without any,
        without a size, and where it saves nothing."""
        seen = points[points[:, 2] >= likelihood, :2]
        height, width = self._size[:2]
        size = np.array([min(self._side, width), min(self._side, height)])
        if not len(seen) or not self._side or size.prod() > MOST_OF_FRAME * width * height:
            return None
        corner = STRIDE_PX * np.round((seen.mean(axis=0) - size / 2) / STRIDE_PX)
        corner = np.clip(corner, 0, np.array([width, height]) - size).astype(int)
        return (int(corner[0]), int(corner[1]), int(size[0]), int(size[1]))


def _log_odds(likelihood: np.ndarray | np.float64) -> np.ndarray:
    likelihood = np.clip(likelihood, 1e-6, 1 - 1e-6)
    return np.log(likelihood / (1 - likelihood))


def _agree(first: np.ndarray, second: np.ndarray, likelihood: float) -> bool:
    """Whether two answers (3, 3) to one frame say the same of every point that either of them sees."""
    seen = (first[:, 2] >= likelihood) | (second[:, 2] >= likelihood)
    apart = np.linalg.norm(first[seen, :2] - second[seen, :2], axis=1)
    return bool(
        (apart <= SAME_PX).all() and (np.abs(first[seen, 2] - second[seen, 2]) <= SAME_LIKELIHOOD).all()
    )
