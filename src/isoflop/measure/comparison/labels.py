"""Labels: where names stand beside points so that none covers another or a point."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

Align = Literal["left", "center", "right"]
CHARACTER, NARROW, LINE_HEIGHT = 6.3, 3.8, 13.0  # of 11-pixel Helvetica, rounded up
THIN = " ,.-:;|!'ijlftrI()[]"
DOT, BAR = 7.0, 2.0  # half the width of a point and of an error bar
GAP = 4.0


class Point(NamedTuple):
    """A point with its error bar, in pixels from the upper left.

    Attributes:
        name: Its label.
        x: Across.
        y: Down.
        top: Of its bar.
        bottom: Likewise.
    """

    name: str
    x: float
    y: float
    top: float
    bottom: float


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether they have a point in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


class Label(NamedTuple):
    """A name and where it stands.

    Attributes:
        name: What is written.
        align: Which part of it is at x: "left", "center" or "right".
        x: Across, in pixels.
        y: Down, of its middle.
    """

    name: str
    align: Align
    x: float
    y: float

    @property
    def box(self) -> Box:
        """What it covers."""
        wide = sum(NARROW if c in THIN else CHARACTER for c in self.name)
        left = self.x - {"left": 0.0, "center": 0.5, "right": 1.0}[self.align] * wide
        return Box(left, self.y - LINE_HEIGHT / 2, left + wide, self.y + LINE_HEIGHT / 2)


def placed(
    points: Sequence[Point], width: float, height: float, kept_free: Sequence[Box] = ()
) -> list[Label]:
    """Labels of those points that have room for one.

    Args:
        points: The most important first: they choose first.
        width: Of the plot.
        height: Likewise.
        kept_free: What no label may cover, beside points and their bars.
    """
    taken = [Box(p.x - DOT, p.y - DOT, p.x + DOT, p.y + DOT) for p in points]
    taken += [Box(p.x - BAR, p.top, p.x + BAR, p.bottom) for p in points]
    taken += kept_free
    found = []
    for point in points:
        for label in _places(point):
            box = label.box
            inside = box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= height
            if inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                found.append(label)
                break
    return found


def stairs(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """What a line covers that goes from corner to corner, first across and then up."""
    boxes = []
    for (x, y), (on, up) in pairwise(corners):
        boxes.append(Box(x, y - BAR, on, y + BAR))
        boxes.append(Box(on - BAR, min(y, up), on + BAR, max(y, up)))
    return boxes


def _places(point: Point) -> Iterator[Label]:
    """Beside the point, then ever farther up and down along its bar, then over and under it."""
    for step in range(6):
        down = step * LINE_HEIGHT * 0.6
        for y in dict.fromkeys((point.y - down, point.y + down)):
            yield Label(point.name, "left", point.x + DOT + GAP, y)
            yield Label(point.name, "right", point.x - DOT - GAP, y)
    for y in (point.top - LINE_HEIGHT, point.bottom + LINE_HEIGHT):
        yield Label(point.name, "center", point.x, y)
