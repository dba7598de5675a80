"""A canvas that draws shapes and a few characters with sharp edges, for small icons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, radians, sin

from PIL import Image, ImageDraw

Point = tuple[float, float]
Path = tuple[Point, ...]
Colour = tuple[int, int, int, int]

CLEAR: Colour = (0, 0, 0, 0)
_SUBPIXELS = 8  # per pixel, in each direction
BLUNT_UP_TO = 2  # px: lines of this width and below get square ends, as round ones would only blur
SMALL_HEIGHT = 7  # px: of the characters of `write_small`


def arc(centre: Point, radii: Point, start: float, end: float) -> Path:
    """Return points along an ellipse from `start` to `end`, in degrees: 0 is right, 90 is down."""
    steps = max(4, round(abs(end - start) / 5))
    angles = (radians(start + (end - start) * i / steps) for i in range(steps + 1))
    return tuple((centre[0] + radii[0] * cos(a), centre[1] + radii[1] * sin(a)) for a in angles)


class Canvas:
    """A square image of `size` pixels, transparent at first.

    Coordinates are in pixels; whole numbers are pixel edges. The origin is `padding` pixels from the left and the top.
    """

    def __init__(self, size: int, padding: int = 0) -> None:
        side = size * _SUBPIXELS
        self._padding = padding
        self._image = Image.new("RGBA", (side, side), CLEAR)
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, outline: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        columns = self._subpixels([x for x, _ in outline])
        lines = self._subpixels([y for _, y in outline])
        self._draw.polygon(list(zip(columns, lines, strict=True)), fill=colour)

    def block(self, corner: Point, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle, given its upper left corner."""
        left, top = corner
        right, bottom = left + width, top + height
        self.fill(((left, top), (right, top), (right, bottom), (left, bottom)), colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self.fill(arc(centre, (radius, radius), 0, 360), colour)

    def stroke(self, path: Path, width: float, colour: Colour) -> None:
        """Draw a line through all points, with round ends and joints."""
        for point in path:
            self.disc(point, width / 2, colour)
        for (x0, y0), (x1, y1) in pairwise(path):
            length = hypot(x1 - x0, y1 - y0)
            if length:
                nx, ny = (y0 - y1) / length * width / 2, (x1 - x0) / length * width / 2
                corners = ((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny))
                self.fill(corners, colour)

    def write(self, text: str, box: tuple[float, float, float], pen: float, colour: Colour) -> None:
        """Draw `text` in the box (left, top, height). `pen` is the line width.

        Raises KeyError for characters other than those of `advance`.
        """
        left, top, height = box
        for character in text:
            width = advance(character, height, pen)
            if character == "!" and pen <= BLUNT_UP_TO:
                self.block((left, top), pen, round(0.62 * (height - pen) + pen), colour)
                self.block((left, top + height - pen), pen, pen, colour)
                left += width + gap(height)
                continue
            for path in _CHARACTERS[character]:
                placed = tuple(
                    (left + pen / 2 + x * (width - pen), top + pen / 2 + y * (height - pen)) for x, y in path
                )
                self.stroke(placed, pen, colour)
            left += width + gap(height)

    def write_small(self, text: str, corner: tuple[int, int], colour: Colour) -> None:
        """Draw digits and `+` in a pixel font, SMALL_HEIGHT pixels high."""
        left, top = corner
        for character in text:
            for y, line in enumerate(_SMALL[character]):
                for x, mark in enumerate(line):
                    if mark == "#":
                        self.block((left + x, top + y), 1, 1, colour)
            left += len(_SMALL[character][0]) + 1

    def _subpixels(self, positions: Sequence[float]) -> list[float]:
        """Convert from pixel edges to Pillow's coordinates: pixels, of which the first and the last are filled, too."""
        low, extent = min(positions), (max(positions) - min(positions)) or 1.0
        return [(x + self._padding) * _SUBPIXELS - (x - low) / extent for x in positions]

    def image(self) -> Image.Image:
        """Return what has been drawn, as an antialiased RGBA image."""
        return self._image.reduce(_SUBPIXELS)


def gap(height: float) -> int:
    """Return the space between two characters, in whole pixels so that all of them are equally sharp."""
    return max(1, round(height / 9))


def advance(character: str, height: float, pen: float) -> int:
    """Return the width of one of `!?+0123456789`, in whole pixels."""
    return max(round(_WIDTHS.get(character, 0.6) * height), round(pen))


def measure(text: str, height: float, pen: float) -> int:
    """Return the width of a text drawn by `write`."""
    return sum(advance(character, height, pen) for character in text) + gap(height) * (len(text) - 1)


def measure_small(text: str) -> int:
    """Return the width of a text drawn by `write_small`."""
    return sum(len(_SMALL[character][0]) + 1 for character in text) - 1


_WIDTHS = {"!": 0.0, "1": 0.4, "+": 0.45}  # as a fraction of the height; `advance` has the default

# Centre lines in a box from (0, 0) to (1, 1).
_CHARACTERS: dict[str, tuple[Path, ...]] = {
    "!": (((0.0, 0.0), (0.0, 0.62)), ((0.0, 1.0),)),
    "?": (
        (*arc((0.5, 0.28), (0.5, 0.28), 190, 400), (0.5, 0.62), (0.5, 0.66)),
        ((0.5, 1.0),),
    ),
    "+": (((0.0, 0.5), (1.0, 0.5)), ((0.5, 0.28), (0.5, 0.72))),
    "0": (arc((0.5, 0.5), (0.5, 0.5), 0, 360),),
    "1": (((0.0, 0.22), (1.0, 0.0), (1.0, 1.0)),),
    "2": ((*arc((0.5, 0.29), (0.5, 0.29), 190, 390), (0.0, 1.0), (1.0, 1.0)),),
    "3": ((*arc((0.48, 0.25), (0.44, 0.25), 200, 450), *arc((0.5, 0.74), (0.5, 0.26), 270, 520)),),
    "4": (((0.72, 1.0), (0.72, 0.0), (0.0, 0.7), (1.0, 0.7)),),
    "5": (((0.92, 0.0), (0.12, 0.0), (0.06, 0.45), *arc((0.48, 0.68), (0.52, 0.32), 220, 515)),),
    "6": (
        arc((0.5, 0.69), (0.5, 0.31), 0, 360),
        arc((0.85, 0.69), (0.85, 0.69), 180, 270),
    ),
    "7": (((0.0, 0.0), (1.0, 0.0), (0.36, 1.0)),),
    "8": (arc((0.5, 0.24), (0.43, 0.24), 0, 360), arc((0.5, 0.74), (0.5, 0.26), 0, 360)),
    "9": (
        arc((0.5, 0.31), (0.5, 0.31), 0, 360),
        arc((0.15, 0.31), (0.85, 0.69), 0, 90),
    ),
}

# Pixel font, line by line.
_SMALL: dict[str, tuple[str, ...]] = {
    "0": (".##.", "#..#", "#..#", "#..#", "#..#", "#..#", ".##."),
    "1": (".#.", "##.", ".#.", ".#.", ".#.", ".#.", "###"),
    "2": (".##.", "#..#", "...#", "..#.", ".#..", "#...", "####"),
    "3": ("###.", "...#", "...#", ".##.", "...#", "...#", "###."),
    "4": ("..#.", ".##.", "#.#.", "#.#.", "####", "..#.", "..#."),
    "5": ("####", "#...", "###.", "...#", "...#", "#..#", ".##."),
    "6": ("..##", ".#..", "#...", "###.", "#..#", "#..#", ".##."),
    "7": ("####", "...#", "..#.", "..#.", ".#..", ".#..", ".#.."),
    "8": (".##.", "#..#", "#..#", ".##.", "#..#", "#..#", ".##."),
    "9": (".##.", "#..#", "#..#", ".###", "...#", "..#.", "##.."),
    "+": ("...", "...", ".#.", "###", ".#.", "...", "..."),
}
