"""The four rules, the square and the border, against tables made by hand."""

import numpy as np
import pytest

from painlib.faces.crop import apply_rules, cut_face, find_centres, place_square, suggest_crop_px
from painlib.faults import PainlibError

# Kobayashi et al. 2025, Methods: (nose, right eye, left eye seen?) -> rule.
TRUTH = [
    ((1, 1, 1), 1),
    ((1, 1, 0), 2),
    ((1, 0, 1), 3),
    ((1, 0, 0), 0),
    ((0, 1, 1), 0),
    ((0, 1, 0), 0),
    ((0, 0, 1), 0),
    ((0, 0, 0), 0),
]


@pytest.mark.parametrize(("seen", "unseen"), [(1.0, 0.0), (0.9, 0.899999), (0.9, np.nextafter(0.9, 0))])
def test_rules_follow_the_paper_in_all_eight_cases_and_count_the_threshold_as_seen(seen, unseen):
    likelihood = np.array([[seen if point else unseen for point in points] for points, _ in TRUTH])
    rules = apply_rules(likelihood, 0.9)
    assert rules.tolist() == [rule for _, rule in TRUTH]
    assert rules.dtype == np.int8


def test_likelihood_of_exactly_the_threshold_counts_in_single_precision_too():
    assert apply_rules(np.full((1, 3), 0.9, np.float32), 0.9).tolist() == [1]


@pytest.mark.parametrize(("threshold", "rule"), [(0.0, 1), (0.5, 1), (0.6, 2), (0.7, 0), (1.0, 0)])
def test_rules_move_with_the_threshold(threshold, rule):
    assert apply_rules(np.array([[0.65, 0.9, 0.5]]), threshold).tolist() == [rule]


@pytest.mark.parametrize("point", [0, 1, 2])
def test_nan_likelihood_is_a_fault_that_names_the_frame(point):
    likelihood = np.full((5, 3), 0.95)
    likelihood[3, point] = np.nan
    with pytest.raises(PainlibError, match=r"NaN in 1 of 5.*number 3"):
        apply_rules(likelihood, 0.9)


def test_no_frames_give_no_rules():
    assert apply_rules(np.zeros((0, 3)), 0.9).shape == (0,)
    assert find_centres(np.zeros((0, 3, 2)), np.zeros(0, np.int8)).shape == (0, 2)


def test_centres_are_between_the_eyes_or_on_the_eye_that_is_seen():
    points = np.tile(np.array([[50.0, 90.0], [30.0, 60.0], [70.0, 64.0]]), (4, 1, 1))
    centres = find_centres(points, np.array([1, 2, 3, 0]))
    np.testing.assert_array_equal(centres[:3], [[50.0, 62.0], [30.0, 60.0], [70.0, 64.0]])
    assert np.isnan(centres[3]).all()


def test_a_missing_eye_that_no_rule_uses_does_not_matter_and_one_that_is_used_is_a_fault():
    points = np.array([[[5.0, 5.0], [3.0, 3.0], [np.nan, np.nan]]])
    np.testing.assert_array_equal(find_centres(points, np.array([2])), [[3.0, 3.0]])
    with pytest.raises(PainlibError, match="coordinates wherever a likelihood is high"):
        find_centres(points, np.array([3]))


@pytest.fixture
def image() -> np.ndarray:
    """30 rows, 40 columns; red is the column, green the row, blue 255."""
    rows, columns = np.mgrid[:30, :40]
    return np.stack([columns, rows, np.full_like(rows, 255)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "columns", "rows"),
    [(5, (18, 22), (8, 12)), (4, (18, 21), (8, 11)), (1, (20, 20), (10, 10)), (10, (15, 24), (5, 14))],
)
@pytest.mark.parametrize("border", ["shift", "pad", "drop"])
def test_square_of_even_and_odd_size_lies_around_a_whole_centre(image, size, columns, rows, border):
    face = cut_face(image, (20, 10), size, border)
    assert face.shape == (size, size, 3)
    assert (face[0, 0, 0], face[-1, -1, 0]) == columns
    assert (face[0, 0, 1], face[-1, -1, 1]) == rows


@pytest.mark.parametrize(
    ("x", "first"), [(19.49, 17), (19.5, 18), (20.0, 18), (20.49, 18), (20.5, 19), (21.5, 20)]
)
def test_centre_rounds_to_the_nearest_pixel_and_halves_up(x, first):
    assert place_square((x, 10.0), 5, 40, 30, "drop") == (first, 8)


# Square of 10 around centres at each border and corner of 40 x 30: where "shift" puts its first column and
# row.
AT_BORDER = {
    (20, 1): (15, 0),
    (20, 29): (15, 20),
    (1, 15): (0, 10),
    (39, 15): (30, 10),
    (0, 0): (0, 0),
    (39, 0): (30, 0),
    (0, 29): (0, 20),
    (39, 29): (30, 20),
}


@pytest.mark.parametrize(("centre", "corner"), AT_BORDER.items())
def test_square_that_leaves_the_image_is_shifted_inside_padded_or_dropped(image, centre, corner):
    shifted = cut_face(image, centre, 10, "shift")
    np.testing.assert_array_equal(shifted, image[corner[1] : corner[1] + 10, corner[0] : corner[0] + 10])

    padded = cut_face(image, centre, 10, "pad")
    by_hand = np.zeros((30 + 20, 40 + 20, 3), np.uint8)
    by_hand[10:40, 10:50] = image
    left, top = centre[0] - 5 + 10, centre[1] - 5 + 10
    np.testing.assert_array_equal(padded, by_hand[top : top + 10, left : left + 10])
    assert (padded[..., 2] == 0).any()

    assert cut_face(image, centre, 10, "drop") is None


@pytest.mark.parametrize("border", ["shift", "pad", "drop"])
@pytest.mark.parametrize("centre", [(5, 5), (35, 25), (5, 25), (35, 5)])
def test_square_that_touches_the_border_from_inside_is_whole(image, centre, border):
    face = cut_face(image, centre, 10, border)
    left, top = centre[0] - 5, centre[1] - 5
    np.testing.assert_array_equal(face, image[top : top + 10, left : left + 10])


def test_square_larger_than_the_image_cannot_be_shifted_but_padded_or_dropped(image):
    with pytest.raises(PainlibError, match=r"crop_px = 31 for 40 x 30 px.*`border: pad`"):
        cut_face(image, (20, 15), 31, "shift")
    assert cut_face(image, (20, 15), 30, "shift").shape == (30, 30, 3)
    padded = cut_face(image, (20, 15), 50, "pad")
    assert padded.shape == (50, 50, 3)
    np.testing.assert_array_equal(padded[10:40, 5:45], image)
    assert padded.sum() == image.sum()
    assert cut_face(image, (20, 15), 31, "drop") is None


def test_square_wholly_outside_is_no_face_even_when_padded(image):
    assert cut_face(image, (60, 15), 10, "pad") is None
    assert cut_face(image, (-6, 15), 10, "pad") is None
    assert cut_face(image, (-4, 15), 10, "pad") is not None


def test_crop_size_holds_nose_and_ears_of_the_heads_seen():
    # Frontal head of a drawn mouse, mm around the middle of the eyes: eyes 11 apart, ears out to 16 and up
    # to 14.
    mm = 20.0  # px
    nose, right, left = np.array([0.0, 12.0]), np.array([-5.5, 0.0]), np.array([5.5, 0.0])
    ears = np.array([[-16.0, -14.0], [16.0, -14.0]])
    head = np.stack([nose, right, left]) * mm + 500
    turned = 500 + (head - 500) * (0.4, 0.6)  # turning and bowing the head shortens it
    points = np.stack([head] * 5 + [turned] * 5)
    size = suggest_crop_px(points, np.full((10, 3), 0.95), 0.9)
    farthest = np.abs(np.vstack([ears, nose])).max() * mm
    assert 2 * farthest < size < 3.5 * farthest
    assert size % 2 == 0


def test_crop_size_comes_from_nose_and_eye_where_one_eye_is_seen():
    points = np.array([[[100.0, 100.0], [np.nan, np.nan], [130.0, 140.0]]] * 3)  # 50 px apart
    likelihood = np.array([[0.99, 0.0, 0.95]] * 3)
    assert suggest_crop_px(points, likelihood, 0.9) == 150


def test_crop_size_does_not_look_at_points_below_the_threshold():
    points = np.array(
        [[[100.0, 100.0], [0.0, 0.0], [130.0, 140.0]], [[0.0, 0.0], [900.0, 900.0], [50.0, 0.0]]]
    )
    likelihood = np.array([[0.99, 0.3, 0.95], [0.2, 0.99, 0.99]])
    assert suggest_crop_px(points, likelihood, 0.9) == 150


def test_crop_size_without_a_head_names_the_highest_likelihoods():
    with pytest.raises(PainlibError, match=r"no frame of 2.*>= 0.9 .*0\.80, 0\.95, 0\.70.*`crop_px`"):
        suggest_crop_px(np.zeros((2, 3, 2)), np.array([[0.8, 0.95, 0.7], [0.1, 0.1, 0.1]]), 0.9)
