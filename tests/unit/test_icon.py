"""The icon: states differ by shape alone, are visible on light and dark panels, and sharp at every size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import pytest
from PIL import Image, ImageChops

from tray.core.sessions import Status
from tray.surfaces.icon import _EXPOSED, draw
from tray.surfaces.menu.view import IconView

SIZES = (16, 20, 22, 24, 32, 48, 64)
SHAPES = tuple(status for status in Status if status is not Status.ABORTED)  # looks like idle: nothing to do
PANELS = {"light": (0xF0, 0xF0, 0xF0), "dark": (0x20, 0x20, 0x20)}
NEEDING = (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER)


def pixels(picture: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    raw = picture.tobytes()
    return ((raw[at], raw[at + 1], raw[at + 2], raw[at + 3]) for at in range(0, len(raw), 4))


def unlike(one: Image.Image, other: Image.Image) -> float:
    """Return how different two images are, from 0 to 1."""
    difference = ImageChops.difference(one, other).tobytes()
    return sum(difference) / 255 / len(difference)


def luminance(colour: tuple[int, ...]) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    linear = [(c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_states_differ_by_shape_alone(size: int, exposed: bool) -> None:
    alphas = {
        status: draw(IconView(status, monochrome=True, exposed=exposed), size).getchannel("A") for status in SHAPES
    }
    for one, other in combinations(SHAPES, 2):
        assert unlike(alphas[one], alphas[other]) > 0.06, (one, other)


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("status", Status)
def test_every_state_stands_out_from_the_panel(status: Status, panel: str) -> None:
    """A graphic needs a contrast of 3 : 1 (WCAG 2.2, 1.4.11): at least a fifth of its area has it."""
    solid = [pixel for pixel in pixels(draw(IconView(status), 24)) if pixel[3] == 255]
    seen = [pixel for pixel in solid if contrast(pixel, PANELS[panel]) >= 3]
    assert len(seen) > len(solid) / 5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("status", NEEDING)
@pytest.mark.parametrize("exposed", [False, True])
def test_each_count_can_be_read(status: Status, size: int, exposed: bool) -> None:
    counted = [draw(IconView(status, count, exposed=exposed), size).convert("L") for count in range(11)]
    for one, other in combinations(counted, 2):
        assert unlike(one, other) * size * size >= 3  # whole pixels


@pytest.mark.parametrize("size", [size for size in SIZES if size > 16])
@pytest.mark.parametrize("status", Status)
def test_the_icon_does_not_touch_the_edges(status: Status, size: int) -> None:
    """Panels put icons edge to edge: MATE's are as high as the panel."""
    for count, exposed in product((0, 1, 8, 12), (False, True)):
        seen = draw(IconView(status, count, exposed=exposed), size).getbbox()
        assert seen is not None
        left, top, right, bottom = seen
        assert min(left, top, size - right, size - bottom) >= 1, seen


@pytest.mark.parametrize("status", NEEDING)
@pytest.mark.parametrize("size", [16, 20, 22, 24])
def test_the_count_on_a_small_icon_consists_of_whole_pixels(status: Status, size: int) -> None:
    """Pixels that differ between two digits have either the digit's colour or the background's, no mixture."""
    counted = [list(pixels(draw(IconView(status, count), size))) for count in range(2, 10)]
    for one, other in combinations(counted, 2):
        assert {pixel for pair in zip(one, other, strict=True) if pair[0] != pair[1] for pixel in pair} == {
            (255, 255, 255, 255), (46, 28, 0, 255),
        }  # fmt: skip


def test_counts_from_ten_on_are_drawn_as_nine_plus() -> None:
    assert draw(IconView(NEEDING[0], 10), 24) is draw(IconView(NEEDING[0], 4000), 24)  # drawn once


@pytest.mark.parametrize("status", [status for status in Status if status not in NEEDING])
def test_only_waiting_states_show_a_count(status: Status) -> None:
    assert draw(IconView(status, 3), 24).tobytes() == draw(IconView(status), 24).tobytes()


def test_the_count_can_be_switched_off() -> None:
    bare = draw(IconView(NEEDING[0]), 24)
    assert draw(IconView(NEEDING[0], 3, show_count=False), 24).tobytes() == bare.tobytes()


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("size", SIZES)
def test_monochrome_is_a_template(status: Status, size: int) -> None:
    """macOS and some Linux themes recolour it: it is black with an alpha channel."""
    for exposed in (False, True):
        picture = draw(IconView(status, 2, monochrome=True, exposed=exposed), size)
        assert (picture.size, picture.mode) == ((size, size), "RGBA")
        assert {pixel[:3] for pixel in pixels(picture) if pixel[3]} == {(0, 0, 0)}


@pytest.mark.parametrize("monochrome", [False, True])
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("size", SIZES)
def test_an_exposed_page_is_a_dot_in_an_upper_corner_of_every_state(
    status: Status, size: int, monochrome: bool
) -> None:
    """The dot is more than a quarter as wide as the icon, and a gap separates it from the state."""
    for count in (0, 3):
        usual, exposed = (draw(IconView(status, count, monochrome, exposed=each), size) for each in (False, True))
        changed = ImageChops.difference(usual, exposed).getbbox(alpha_only=False)
        assert changed is not None
        left, top, right, bottom = changed
        assert (top <= size / 8, bottom <= size * 0.6) == (True, True), changed
        assert left >= size * 0.4 or right <= size * 0.6, changed
        assert right - left > size / 4
        middle = exposed.getpixel(((left + right) // 2, (top + bottom) // 2))
        assert middle == ((0, 0, 0, 255) if monochrome else _EXPOSED)
        alpha = exposed.getchannel("A").crop(changed).tobytes()
        assert min(alpha) < 128, "no gap"


@pytest.mark.parametrize("panel", PANELS)
def test_the_dot_of_an_exposed_page_stands_out_from_the_panel(panel: str) -> None:
    assert contrast(_EXPOSED, PANELS[panel]) >= 3
