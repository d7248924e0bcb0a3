"""How a photograph becomes the square that an encoder looks at. Light to import: processes that decode need it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framing:
    """Squashed to side x side; or, where the model was trained so, resized to `shorter_side` and cut in the middle."""

    side: int  # pixels
    shorter_side: int | None = None  # at least `side`

    @property
    def is_crop(self) -> bool:
        return self.shorter_side is not None

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a photograph is resized to before it is cut."""
        if self.shorter_side is None:
            return self.side, self.side
        shorter = min(width, height)
        return self.shorter_side * width // shorter, self.shorter_side * height // shorter

    def window(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is kept, in pixels of the resized photograph."""
        across, down = self.resized(width, height)
        left, top = round((across - self.side) / 2), round((down - self.side) / 2)
        return left, top, left + self.side, top + self.side

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """What is kept, as shares of the width and height of the photograph."""
        across, down = self.resized(width, height)
        left, top, right, bottom = self.window(width, height)
        return left / across, top / down, right / across, bottom / down
