"""The 13 regions of Kobayashi et al. 2025 ("Interpretation"), and what each of them holds.

The paper gives the names only. The definitions are ours; pictures of them are `mouse_front.svg`,
`mouse_turned.svg` and `mouse_side.svg` beside this file.
"""

REGIONS = (
    "head",
    "forehead",
    "above ear",
    "ear top",
    "ear base",
    "eye",
    "cheek",
    "nose",
    "mouth",
    "hand",
    "stage",
    "under body",
    "others",
)

# Ours, one sentence each; a widget and a report show them beside the picture.
DEFINITIONS = {
    "head": "The fur of the head that belongs to no other region of the head: crown, temples, neck.",
    "forehead": "The top of the face, between and above the eyes, up to the crown and down to the snout.",
    "above ear": "The band just above an ear's upper edge, outside the head's outline.",
    "ear top": "The upper, free half of an ear.",
    "ear base": "The lower half of an ear, down to where it leaves the head.",
    "eye": "The eyeball with its lids, open or shut.",
    "cheek": "The side of the face below and behind the eye, up to the snout.",
    "nose": "The snout: its bridge, the tip of the nose, the pads that carry the whiskers.",
    "mouth": "Lips and chin, below the snout.",
    "hand": "The fore paws, wherever they are.",
    "stage": "The background: walls and floor, nothing of the mouse.",
    "under body": "Chest and belly, below the head.",
    "others": "Body, tail and whatever is left of the mouse.",
}


def name_column(region: str) -> str:
    """The region as the name of a column or of an SVG element: "above ear" is `above_ear`."""
    return region.replace(" ", "_")


REGION_COLUMNS = tuple(name_column(region) for region in REGIONS)
