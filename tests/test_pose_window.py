"""The window that follows the face: what it answers is what the whole frame answers, and where it looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from painlib.faces.window import CHUNK, PROVEN, SEEN, WHOLE_EVERY, WindowFollower

WIDTH, HEIGHT = 640, 360
HEAD = np.array([[0, 20], [-16, 0], [16, 0]])  # px: nose, right eye, left eye about a head's middle


class Film:
    """Frames whose pixels carry their own place and number, and a network that knows what is seen where.

    `heads[k]`: the heads of frame k, each with the likelihood of its points; of two in one image the
    likelier is found. At half size likelihoods are `at_half` of those. `look`: the network; `areas`: px of
    each image it was given, in order.
    """

    def __init__(
        self,
        heads: Sequence[Sequence[tuple[float, float, float]]],
        scenes: Sequence[int] = (),
        at_half: float = 0.6,
    ) -> None:
        self.heads, self.at_half = heads, at_half
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        scene = np.array(scenes or [0] * len(heads))
        self.images = [
            np.stack(
                [columns // 4, rows // 4, np.full_like(rows, number + 100 * scene[number])], axis=2
            ).astype(np.uint8)
            for number in range(len(heads))
        ]
        self.numbers = {int(image[0, 0, 2]): number for number, image in enumerate(self.images)}
        self.areas: list[int] = []
        self.times = np.arange(len(heads)) / 30.0  # s

    def look(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(n, 3, 3): likelihood 0.05 at a corner where no head is."""
        return np.stack([self._look_at(image) for image in images])

    def _look_at(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        self.areas.append(height * width)
        is_half = (height, width) == (HEIGHT // 2, WIDTH // 2)
        corner = 4 * image[0, 0, :2].astype(int)
        found = np.tile([0.0, 0.0, 0.05], (3, 1))
        for x, y, likelihood in self.heads[self.numbers[int(image[0, 0, 2])]]:
            for point, place in enumerate(HEAD + np.array([x, y]) - corner):
                shown = (place + 0.5) / 2 - 0.5 if is_half else place
                certainty = likelihood * (self.at_half if is_half else 1.0)
                inside = (shown >= 0).all() and (shown < (width, height)).all()
                if inside and certainty > found[point, 2]:
                    found[point] = (*shown, certainty)
        return found


def follow(film: Film, batch: int = 5, threshold: float = 0.5) -> tuple[np.ndarray, WindowFollower]:
    follower = WindowFollower(film.look, threshold)
    places = [slice(start, start + batch) for start in range(0, len(film.images), batch)]
    return np.concatenate([follower(film.images[here], film.times[here]) for here in places]), follower


def walk(n_frames: int, likelihood: float = 0.9) -> list[list[tuple[float, float, float]]]:
    """A head that walks about, 3 px a frame."""
    turn = np.arange(n_frames) * 0.03
    return [[(320 + 100 * np.cos(t), 180 + 60 * np.sin(2 * t), likelihood)] for t in turn]


def assert_as_whole(film: Film, found: np.ndarray) -> None:
    whole = film.look(film.images)
    seen = whole[..., 2] >= SEEN
    np.testing.assert_allclose(found[..., 2], whole[..., 2])
    np.testing.assert_allclose(found[seen], whole[seen])


def test_a_walking_head_is_followed_through_a_small_window():
    film = Film(walk(80))
    found, follower = follow(film)
    looked_at = sum(film.areas)
    assert_as_whole(film, found)
    side = 128  # four times the eyes' distance, a multiple of 32 px
    assert set(film.areas[: len(film.areas) - 80]) == {WIDTH * HEIGHT, WIDTH * HEIGHT / 4, side * side}
    assert looked_at < 0.35 * 80 * WIDTH * HEIGHT
    assert 80 - CHUNK <= follower.counts["in_window"] < 80 + 16
    assert follower.counts["whole"] < CHUNK + 8


@pytest.mark.parametrize("batch", [1, 3, 8, 11, 90])
def test_batches_do_not_matter(batch):
    heads = walk(90)
    heads[20:29] = [[]] * 9
    heads[50:53] = [[(100, 60, 0.9)]] * 3
    expected, told = follow(Film(heads))
    found, follower = follow(Film(heads), batch)
    np.testing.assert_array_equal(found, expected)
    assert follower.counts == told.counts


def test_a_head_that_goes_and_comes_back_elsewhere_is_found_at_once():
    heads = walk(30) + [[]] * 13 + [[(90.0, 300.0, 0.9)]] * 20
    film = Film(heads)
    found, _ = follow(film)
    assert_as_whole(film, found)


def test_a_lost_face_is_looked_for_at_half_size_once_that_has_led_to_every_face():
    heads = walk(40) + [[]] * 100 + [[(90.0, 300.0, 0.9)]] * 20
    film = Film(heads)
    found, follower = follow(film)
    assert_as_whole(film, found)
    assert follower.counts["missed"] == 0
    assert 100 + PROVEN <= follower.counts["at_half_size"] < 120 + PROVEN
    assert follower.counts["whole"] < CHUNK + 8  # the first chunk, and a check every 128 frames
    not_yet = Film(walk(CHUNK + PROVEN - 1) + [[]] * 100)
    assert follow(not_yet)[1].counts["at_half_size"] < 100


def test_half_size_is_not_relied_on_where_it_does_not_lead_to_faces():
    heads = walk(40) + [[]] * 20 + [[(90.0, 300.0, 0.9)]] * 20
    film = Film(heads, at_half=0.2)
    found, follower = follow(film)
    assert_as_whole(film, found)
    assert follower.counts["missed"] == 1
    assert follower.counts["at_half_size"] <= CHUNK


def test_half_size_is_given_up_where_a_check_shows_a_face_that_it_misses():
    period = CHUNK * WHOLE_EVERY
    # From frame 40 on so faint a face that half its likelihood is no hint.
    heads = walk(40) + [[(90.0, 300.0, 0.55)]] * period
    film = Film(heads, at_half=0.4)
    film.heads[:40] = [[(x, y, 0.95)] for ((x, y, _),) in walk(40)]
    found, follower = follow(film)
    assert follower.counts["missed"] == 1
    np.testing.assert_allclose(found[period:, 0, 0], 90 + HEAD[0, 0])


def test_a_head_that_leaves_the_window_within_a_chunk_is_looked_for_elsewhere():
    heads = [[(100.0 + 25 * k, 180.0, 0.9)] for k in range(20)]  # from one side to the other: 200 px a chunk
    film = Film(heads)
    found, follower = follow(film)
    assert_as_whole(film, found)
    assert follower.counts["whole"] > CHUNK


def test_a_scene_cut_shows_the_whole_frame_though_something_is_seen_in_the_window():
    # After the cut the old place holds something a little like a head, the true head is elsewhere.
    heads = [[(150.0, 180.0, 0.9)]] * 20 + [[(150.0, 180.0, 0.6), (500.0, 180.0, 0.9)]] * 12
    film = Film(heads, scenes=[0] * 20 + [1] * 12)
    found, _ = follow(film)
    assert_as_whole(film, found)
    same_scene = Film(heads)
    found, _ = follow(same_scene)
    assert not np.allclose(found[20:24, :, 0], 500 + HEAD[:, 0]), "without the cut the window does not see it"


def test_in_a_time_lapse_and_after_a_gap_in_a_film_the_face_is_looked_for():
    lapse = Film(walk(40), at_half=0.2)
    lapse.times = 0.2 * np.arange(40)
    found, follower = follow(lapse)
    assert_as_whole(lapse, found)
    assert (follower.counts["in_window"], follower.counts["whole"]) == (0, 40)
    lapse.at_half = 0.6
    found, follower = follow(lapse)
    assert_as_whole(lapse, found)
    n_whole = CHUNK + PROVEN
    assert (follower.counts["at_half_size"], follower.counts["whole"]) == (40 - CHUNK, n_whole)
    gap = Film(walk(40), at_half=0.2)
    gap.times[21:] += 1.0  # the last frame of a chunk
    assert follow(gap)[1].counts["in_window"] == 40 - CHUNK - 1


def test_every_so_often_the_whole_frame_frees_a_window_that_sits_on_the_wrong_thing():
    period = CHUNK * WHOLE_EVERY
    n_frames = 2 * period
    heads = [[(150.0, 180.0, 0.9)]] * 20 + [[(150.0, 180.0, 0.6), (500.0, 180.0, 0.9)]] * (n_frames - 20)
    film = Film(heads)
    found, follower = follow(film)
    assert follower.counts["disagreed"] == 1
    np.testing.assert_allclose(found[30:period, 0, 0], 150 + HEAD[0, 0])
    np.testing.assert_allclose(found[period:, 0, 0], 500 + HEAD[0, 0])


def test_a_head_near_the_frames_own_rim_is_not_looked_for_again():
    film = Film([[(25.0, 30.0, 0.9)]] * 40)
    found, follower = follow(film)
    assert_as_whole(film, found)
    assert follower.counts == {
        **{"frames": 40, "in_window": 40 - CHUNK, "at_half_size": PROVEN, "whole": CHUNK},
        **{"disagreed": 0, "missed": 0},
    }


def test_a_head_as_large_as_the_frame_and_one_that_is_hardly_seen_are_looked_at_whole():
    faint = Film(walk(40, likelihood=SEEN - 0.1))
    assert follow(faint)[1].counts["in_window"] == 0
    head = np.column_stack([6 * HEAD + (320, 180), [0.9] * 3])
    near = WindowFollower(lambda images: np.stack([head] * len(images)), 0.5)
    near(faint.images, faint.times)
    assert near.counts["in_window"] == 0


def test_a_frame_whose_rule_hangs_on_a_likelihood_near_the_threshold_is_looked_at_whole():
    heads = walk(40, likelihood=0.9)
    sure = follow(Film(heads), threshold=0.5)[1].counts["whole"]
    unsure = follow(Film(heads), threshold=0.88)[1].counts["whole"]
    assert (sure < 10, unsure) == (True, 40)


@pytest.mark.parametrize(
    ("likelihood", "unsure"),
    [
        ((0.99, 0.99, 0.99), False),
        ((0.90, 0.99, 0.01), True),  # the nose decides
        ((0.99, 0.92, 0.01), True),  # an eye decides
        ((0.99, 0.99, 0.89), True),  # both eyes, or one
        ((0.90, 0.01, 0.01), False),  # no eye: no face whatever the nose is
        ((0.30, 0.90, 0.99), False),  # no nose: no face whatever the eyes are
    ],
)
def test_only_a_likelihood_that_decides_counts_as_near(likelihood, unsure):
    points = np.column_stack([np.zeros((3, 2)), likelihood])
    assert WindowFollower(lambda images: np.zeros((0, 3, 3)), 0.9)._is_unsure(points) == unsure


def test_a_contradicted_window_is_given_up_below_the_usual_likelihood_too():
    period = CHUNK * WHOLE_EVERY
    heads = [[(150.0, 180.0, 0.45)]] * 20 + [[(150.0, 180.0, 0.43), (500.0, 180.0, 0.45)]] * (2 * period - 20)
    found, follower = follow(Film(heads), threshold=0.3)
    assert follower.counts["disagreed"] == 1
    np.testing.assert_allclose(found[period:, 0, 0], 500 + HEAD[0, 0])


def test_a_point_that_the_network_does_not_have_places_no_window():
    points = np.array([[320.0, 180.0, 0.9], [330.0, 170.0, 0.9], [np.nan, np.nan, 0.0]])
    film = Film(walk(20))
    follower = WindowFollower(lambda images: np.stack([points] * len(images)), threshold=0.0)
    assert follower(film.images, film.times).shape == (20, 3, 3)


@pytest.mark.parametrize("seed", range(6))
def test_batches_do_not_matter_to_films_that_have_everything(seed):
    """Faces that come, go and fade, scene cuts, gaps in time, half the size relied on or not."""
    rng = np.random.default_rng(seed)
    heads = [[(x, y, rng.choice([0.9, 0.6, 0.45]))] for ((x, y, _),) in walk(200)]
    for begin in rng.integers(20, 180, 3):
        heads[begin : begin + 9] = [[]] * len(heads[begin : begin + 9])
    scenes = [int(number >= 120) for number in range(200)]

    def run(batch: int) -> tuple[np.ndarray, dict[str, int]]:
        film = Film(heads, scenes, at_half=0.6 if seed % 2 else 0.4)
        film.times[gap:] += 1.0
        found, follower = follow(film, batch, threshold=[0.3, 0.5, 0.55][seed % 3])
        return found, follower.counts

    gap = int(rng.integers(40, 160))
    expected, counts = run(200)
    for batch in (1, 3, 7):
        found, told = run(batch)
        np.testing.assert_array_equal(found, expected)
        assert told == counts
