"""What a visitor of the page does and sees, and what the service says to the same question."""

from dataclasses import dataclass
from typing import Any

import httpx2
from playwright.sync_api import Locator, Page, expect

SENTENCE = "a brown dog and a red ball"
WORDS = SENTENCE.split()


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, locator: Locator) -> "Box":
        found = locator.bounding_box()
        assert found is not None
        return cls(**found)

    def part(self, x0: float, y0: float, x1: float, y1: float) -> "Box":
        return Box(self.x + x0 * self.width, self.y + y0 * self.height, (x1 - x0) * self.width, (y1 - y0) * self.height)

    def distance_to(self, other: "Box") -> float:
        """Pixels between the edges that lie furthest apart."""
        corners = ((one.x, one.y, one.x + one.width, one.y + one.height) for one in (self, other))
        return max(abs(a - b) for a, b in zip(*corners, strict=True))


def index(address: str, pictures: dict[str, bytes], *, collection: str) -> None:
    files = [("files", picture) for picture in pictures.items()]
    job = httpx2.post(f"{address}/v1/index?wait=60", files=files, data={"collection": collection}, timeout=90).json()
    assert job["counts"]["indexed"] == len(pictures), job


def search(address: str, *, collection: str = "default") -> list[dict[str, Any]]:
    asked = {"text": SENTENCE, "explain": True, "limit": 60, "collection": collection}
    found: list[dict[str, Any]] = httpx2.post(f"{address}/v1/search", json=asked).json()["results"]
    return found


def ask(page: Page, sentence: str) -> None:
    page.get_by_label("What the photograph shows").fill(sentence)
    with page.expect_response("**/v1/search"):
        page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def drop(page: Page, pictures: dict[str, bytes]) -> None:
    transfer = page.evaluate_handle(
        """(pictures) => {
          const transfer = new DataTransfer();
          for (const [name, bytes] of pictures) transfer.items.add(new File([new Uint8Array(bytes)], name));
          return transfer;
        }""",
        [[name, list(data)] for name, data in pictures.items()],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})


def word(page: Page, text: str) -> Locator:
    return page.get_by_role("group", name="Words of the sentence").get_by_role("button", name=text, exact=True).first


def tiles(page: Page) -> Locator:
    return page.locator(".tile:visible")


def drawn_box(rectangle: Locator) -> Box:
    """Where a rectangle of a drawing lies in the window, without the width of its line."""
    drawn = rectangle.evaluate("({ x, y, width, height }) => [x, y, width, height].map((one) => one.baseVal.value)")
    drawing = Box.of(rectangle.locator("xpath=ancestor::*[local-name()='svg']"))
    return Box(drawing.x + drawn[0], drawing.y + drawn[1], drawn[2], drawn[3])


def share(hit: dict[str, Any], number: int) -> float:
    return float(hit["explanation"]["words"][number]["contribution"])


def number_of(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))
