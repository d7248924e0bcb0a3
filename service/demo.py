"""What `make demo` shows: some photographs, and a few questions asked over HTTP as any client would."""

import json
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

# The photographs among the pictures that scikit-image brings along.
PHOTOGRAPHS: Final = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
QUESTIONS: Final = (
    "a man in a black coat with a camera",
    "a woman in an orange suit smiles",
    "a motorcycle stands in a garage",
)
PATIENCE_S: Final = 60.0


class DemoFailed(Exception):
    """An answer is empty, or a word of it is not explained."""


def demo_photographs() -> list[Path]:
    import skimage  # an extra: nothing but the demo needs it

    folder = Path(skimage.__file__).parent / "data"
    return [folder / name for name in PHOTOGRAPHS if (folder / name).is_file()]


def ask(address: str, questions: Sequence[str] = QUESTIONS) -> str:
    """Ask and check; the answers as text. Raises DemoFailed."""
    _wait_until_ready(address)
    return "\n\n".join(_told(question, _post(f"{address}/search", _query(question))) for question in questions)


def _query(question: str) -> dict[str, Any]:
    return {"text": question, "limit": 3, "explain": True}


def _told(question: str, answer: dict[str, Any]) -> str:
    if not answer["results"]:
        raise DemoFailed(f"{question!r} found nothing")
    lines = [question]
    for hit in answer["results"]:
        explanation = hit["explanation"]
        if not explanation or [word["text"] for word in explanation["words"]] != question.split():
            raise DemoFailed(f"{question!r}: not every word is explained in {hit['name']}")
        lines.append(f"  {hit['rank']}. {hit['name']}  score {hit['score']:.3f}")
        for word in explanation["words"]:
            box = ", ".join(f"{side:.2f}" for side in explanation["regions"][str(word["region"])]["box"])
            lines.append(f"       {word['text']:<12} {word['contribution']:+.3f}  box [{box}]")
    return "\n".join(lines)


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=PATIENCE_S):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise DemoFailed(f"{address} does not get ready: {error}") from error
            time.sleep(0.2)


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
