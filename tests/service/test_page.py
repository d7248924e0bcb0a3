"""The web page, used by a real browser over a real service with its worker."""

import math
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from model.checkpoint import load_encoder
from service.app import create_app
from service.settings import Settings
from service.worker_watch import worker_command
from tests.browsing import SENTENCE, WORDS, Box, ask, drawn_box, drop, index, number_of, search, share, tiles, word
from tests.photographs import jpeg, truncated_jpeg

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZES = [(96, 72), (72, 96), (300, 40), (40, 300), (96, 96), (120, 64), (64, 64), (90, 60)]  # each a shape of its own
MARKUP = "<img src=nowhere onerror=alert(1)> dog"


@pytest.fixture(scope="module")
def address(tiny_checkpoint, tmp_path_factory) -> Iterator[str]:
    if not CHROMIUM.is_file():
        pytest.skip("there is no browser: install Debian's chromium")
    data = tmp_path_factory.mktemp("data")
    worker = worker_command("--data", str(data), "--model", str(tiny_checkpoint), "--device", "cpu")
    app = create_app(Settings(data=data, model=str(tiny_checkpoint)), load_encoder(str(tiny_checkpoint)), worker=worker)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def photographs(address) -> None:
    """Index one photograph of every size in the default collection."""
    names = [f"{number}.jpg" for number in range(len(SIZES) - 1)] + ["<b>bold</b>.jpg"]
    pictures = {name: jpeg(n, size=size) for n, (name, size) in enumerate(zip(names, SIZES, strict=True))}
    index(address, pictures, collection="default")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(address, browser) -> Iterator[Page]:
    """A fresh visitor, at whom nothing goes wrong unseen."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.extend(fault_of(message)))
    page.on("request", lambda asked: faults.extend([] if asked.url.startswith(address) else [f"asked {asked.url}"]))
    yield page
    context.close()
    assert not faults


def fault_of(message: ConsoleMessage) -> list[str]:
    # The browser itself tells of every answer that is an error: those, the page shows.
    expected = message.type not in ("error", "warning") or message.text.startswith("Failed to load resource")
    return [] if expected else [message.text]


@pytest.mark.usefixtures("photographs")
def test_a_sentence_becomes_photographs_best_first_and_none_is_cropped(page, address):
    page.goto("/")
    ask(page, SENTENCE)
    hits = search(address)
    expect(page.get_by_role("status").first).to_contain_text(f"{len(SIZES)} photographs of {len(SIZES)} shortlisted")
    assert tiles(page).locator("img").evaluate_all("all => all.map((one) => new URL(one.src).pathname)") == [
        hit["thumbnail"] for hit in hits
    ]
    for number, hit in enumerate(hits):
        shown = Box.of(tiles(page).nth(number).locator("img"))
        assert math.isclose(shown.width / shown.height, hit["width"] / hit["height"], rel_tol=0.03), hit["name"]


@pytest.mark.usefixtures("photographs")
def test_a_word_lights_the_region_that_answered_it_on_the_right_pixels(page, address):
    page.goto("/")
    ask(page, SENTENCE)
    for number, text in enumerate(WORDS[1:3], start=1):
        word(page, text).hover()
        for rank, hit in enumerate(search(address)):
            explanation = hit["explanation"]
            box = explanation["regions"][str(explanation["words"][number]["region"])]["box"]
            lit = tiles(page).nth(rank).locator(".region.lit .line")
            expect(lit).to_have_count(1)
            expected = Box.of(tiles(page).nth(rank).locator("img")).part(*box)
            assert drawn_box(lit).distance_to(expected) < 1, (hit["name"], text)


@pytest.mark.usefixtures("photographs")
def test_a_box_is_the_stronger_the_more_its_word_counts(page, address):
    hits = search(address)
    best = max(range(len(WORDS)), key=lambda number: share(hits[0], number))
    page.goto(f"/?q={SENTENCE}&w={best + 1}")
    lit = page.locator(".region.lit")
    expect(lit).to_have_count(len(SIZES))
    strengths = lit.evaluate_all("all => all.map((one) => Number(getComputedStyle(one).opacity))")
    by_share = [
        strength for _, strength in sorted((share(hit, best), s) for hit, s in zip(hits, strengths, strict=True))
    ]
    assert by_share == sorted(strengths)
    assert max(strengths) == 1 and min(strengths) > 0


@pytest.mark.usefixtures("photographs")
def test_pointing_at_a_box_lets_its_words_glow(page, address):
    page.goto("/")
    ask(page, SENTENCE)
    first, explanation = tiles(page).first, search(address)[0]["explanation"]
    region = first.locator(".region").last  # the smallest, which lies above the others
    region.hover()
    drawn = drawn_box(region.locator(".line"))
    (pointed,) = (
        number
        for number, told in explanation["regions"].items()
        if drawn.distance_to(Box.of(first.locator("img")).part(*told["box"])) < 1
    )
    answered = [f"{n}" for n, one in enumerate(explanation["words"], start=1) if str(one["region"]) == pointed]
    expect(page.locator(".words .glowing .number")).to_have_text(answered)


@pytest.mark.usefixtures("photographs")
def test_the_words_of_a_large_photograph_add_up_to_its_score(page):
    page.goto("/")
    ask(page, SENTENCE)
    tiles(page).nth(1).get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    amounts = [number_of(text) for text in dialog.locator(".amount").all_inner_texts()]
    assert len(amounts) == len(WORDS)
    assert math.isclose(sum(amounts), number_of(dialog.locator(".sum b").inner_text()), abs_tol=0.001 * len(WORDS))
    expect(dialog.locator(".details")).to_contain_text("pixels")
    expect(dialog.locator(".details")).to_contain_text("default")


@pytest.mark.usefixtures("photographs")
def test_an_address_says_what_the_page_shows(page, address):
    hit = search(address)[3]
    page.goto(f"/?q={SENTENCE}&i={hit['id']}&w=3")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(hit["name"])
    expect(dialog.locator(".region.lit")).to_have_count(1)
    expect(page.get_by_label("What the photograph shows")).to_have_value(SENTENCE)
    expect(page.locator(".word[aria-pressed=true]")).to_have_text("3dog")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"w=3$"))
    expect(tiles(page).nth(3).get_by_role("button")).to_be_focused()


@pytest.mark.usefixtures("photographs")
def test_an_image_of_the_address_that_was_not_found_by_the_sentence_is_shown_all_the_same(page, address):
    hit = search(address)[0]
    page.goto(f"/?i={hit['id']}")
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(hit["name"])
    expect(page.get_by_role("dialog").locator(".amount")).to_have_count(0)


@pytest.mark.usefixtures("photographs")
def test_back_and_forward_go_through_sentences_and_photographs(page):
    page.goto("/")
    ask(page, "a dog")
    ask(page, "a red ball")
    tiles(page).first.get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.go_back()
    expect(word(page, "dog")).to_be_visible()
    page.go_forward()
    expect(word(page, "ball")).to_be_visible()
    expect(page.get_by_label("What the photograph shows")).to_have_value("a red ball")


@pytest.mark.usefixtures("photographs")
def test_everything_can_be_reached_by_keyboard_alone(page):
    page.goto("/")
    press = page.keyboard.press
    expect(page.locator("#told")).not_to_be_empty()
    press("/")
    page.keyboard.type(SENTENCE)
    press("Enter")
    expect(word(page, "dog")).to_be_visible()
    press("ArrowDown")
    press("End")
    expect(tiles(page).last.get_by_role("button")).to_be_focused()
    press("ArrowUp")
    assert Box.of(page.locator(":focus")).y < Box.of(tiles(page).last).y
    press("Home")
    press("ArrowRight")
    expect(tiles(page).nth(1).get_by_role("button")).to_be_focused()
    press("3")
    expect(word(page, "dog")).to_have_attribute("aria-pressed", "true")
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("ArrowRight")
    press("Escape")
    expect(tiles(page).nth(2).get_by_role("button")).to_be_focused()
    press("Escape")
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)
    press("?")
    expect(page.get_by_role("dialog", name="How to read the page")).to_be_visible()


@pytest.mark.usefixtures("photographs")
def test_only_one_photograph_is_a_stop_of_the_tab_key(page):
    page.goto("/")
    ask(page, SENTENCE)
    expect(page.locator(".open[tabindex='0']")).to_have_count(1)
    tiles(page).nth(2).get_by_role("button").focus()
    expect(page.locator(".open[tabindex='0']")).to_have_count(1)
    expect(tiles(page).nth(2).get_by_role("button")).to_have_attribute("tabindex", "0")


@pytest.mark.usefixtures("photographs")
def test_a_screen_reader_is_told_which_words_a_photograph_matches(page, address):
    page.goto("/")
    ask(page, SENTENCE)
    names = [hit["name"] for hit in search(address)]
    for name, alt in zip(
        names, page.locator(".tile img").evaluate_all("all => all.map((one) => one.alt)"), strict=True
    ):
        assert re.fullmatch(rf"image {re.escape(name)}(, matches: .+)?", alt)
    nameless = (
        "all => all.filter((one) => !(one.ariaLabel ?? one.textContent).trim() && !one.querySelector('img[alt]'))"
    )
    assert page.locator("button, a").evaluate_all(f"{nameless}.length") == 0


@pytest.mark.usefixtures("photographs")
def test_markup_is_shown_as_text(page):
    page.goto("/")
    ask(page, MARKUP)
    expect(page.get_by_label("What the photograph shows")).to_have_value(MARKUP)
    assert page.locator("[onerror], .words img, .words b").count() == 0
    page.get_by_alt_text("image <b>bold</b>.jpg").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("<b>bold</b>.jpg")


@pytest.mark.usefixtures("photographs")
@pytest.mark.parametrize("width", [360, 2560])
def test_the_page_fits_its_window(page, width):
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(f"/?q={SENTENCE} on a very long road behind the old house in the evening")
    expect(tiles(page)).to_have_count(len(SIZES))
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_photographs_are_sent_and_found_and_a_broken_one_is_named_with_its_reason(page):
    page.goto("/?c=holiday")
    expect(page.get_by_role("heading", name="No photographs yet")).to_be_visible()
    good = [{"name": f"good {n}.jpg", "mimeType": "image/jpeg", "buffer": jpeg(100 + n)} for n in range(2)]
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": truncated_jpeg()}
    page.get_by_label("Choose photographs").locator("visible=true").set_input_files([*good, broken])
    upload = page.get_by_role("region", name="Upload")
    expect(upload).to_contain_text("2 added, 1 failed", timeout=30_000)
    expect(upload.get_by_role("listitem")).to_contain_text("broken.jpg")
    expect(upload.get_by_role("listitem")).to_contain_text("cut short")
    ask(page, SENTENCE)
    expect(tiles(page)).to_have_count(2)
    page.reload()
    expect(upload).to_contain_text("2 added, 1 failed")
    upload.get_by_role("button", name="Dismiss").click()
    page.reload()
    expect(tiles(page)).to_have_count(2)
    expect(upload).to_have_count(0)


def test_an_upload_is_followed_on_after_a_reload(page):
    page.goto("/?c=dropped")
    expect(page.get_by_role("heading", name="No photographs yet")).to_be_visible()
    drop(page, {"late.jpg": jpeg(200), "broken.jpg": truncated_jpeg()})
    upload = page.get_by_role("region", name="Upload")
    expect(upload).to_contain_text(re.compile("of 2 indexed|1 added"))
    page.reload()
    expect(upload).to_contain_text("1 added, 1 failed", timeout=30_000)
    expect(tiles(page)).to_have_count(1)


def test_a_deleted_photograph_can_be_taken_back_for_some_seconds(page, address):
    index(address, {"one.jpg": jpeg(300), "two.jpg": jpeg(301)}, collection="album")
    page.goto(f"/?c=album&q={SENTENCE}")
    first = search(address, collection="album")[0]
    for undone in (True, False):
        tiles(page).first.get_by_role("button").click()
        page.get_by_role("button", name="Delete").click()
        expect(tiles(page)).to_have_count(1)
        assert search(address, collection="album")[0] == first
        if undone:
            page.get_by_role("button", name="Undo").click()
            expect(tiles(page)).to_have_count(2)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0, timeout=8_000)
    expect(tiles(page)).to_have_count(1)
    assert first["id"] not in [hit["id"] for hit in search(address, collection="album")]


def test_a_photograph_deleted_just_before_the_page_is_left_is_gone(page, address):
    index(address, {"three.jpg": jpeg(302), "four.jpg": jpeg(303)}, collection="left")
    page.goto(f"/?c=left&q={SENTENCE}")
    tiles(page).first.get_by_role("button").click()
    page.get_by_role("button", name="Delete").click()
    expect(tiles(page)).to_have_count(1)
    page.goto("/")
    page.goto(f"/?c=left&q={SENTENCE}")
    expect(tiles(page)).to_have_count(1)


@pytest.mark.usefixtures("photographs")
def test_a_service_out_of_reach_is_asked_again_until_it_answers(page):
    page.goto("/")
    page.context.set_offline(True)
    page.get_by_label("What the photograph shows").fill(SENTENCE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Trying again in \d s"))
    page.context.set_offline(False)
    expect(tiles(page)).to_have_count(len(SIZES), timeout=15_000)
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.usefixtures("photographs")
def test_a_busy_service_is_asked_again_when_it_says_so(page):
    busy = {"code": "overloaded", "detail": "too many sentences are waiting"}
    answers = [lambda route: route.fulfill(status=503, headers={"Retry-After": "3"}, json=busy), Route.continue_]
    page.route("**/v1/search", lambda route: answers.pop(0)(route))
    page.goto(f"/?q={SENTENCE}")
    expect(page.get_by_role("alert")).to_contain_text("Too many sentences are waiting.")
    expect(page.get_by_role("alert")).to_contain_text("Trying again in 3 s")
    expect(tiles(page)).to_have_count(len(SIZES), timeout=15_000)


@pytest.mark.usefixtures("photographs")
def test_a_model_that_explains_nothing_still_shows_its_photographs(page):
    declined = {"code": "no_explanation", "detail": "this model makes one vector of the whole sentence"}
    answers = [lambda route: route.fulfill(status=422, json=declined), Route.continue_]
    page.route("**/v1/search", lambda route: answers.pop(0)(route))
    page.goto(f"/?q={SENTENCE}")
    expect(tiles(page)).to_have_count(len(SIZES))
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.usefixtures("photographs")
def test_a_refusal_is_told_in_a_sentence_and_can_be_tried_again(page):
    page.goto("/")
    page.get_by_label("What the photograph shows").fill("?!")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").get_by_role("paragraph")).to_have_text(re.compile(r"^[A-Z].* .*\.$"))
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Try again").click()
    ask(page, SENTENCE)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_strong_results_end_where_the_score_drops_sharply(page):
    page.goto("/")
    count = "async (scores) => (await import('/page/answer.js')).countBeforeDrop(scores)"
    assert page.evaluate(count, [5.0, 4.9, 4.8, 2.0, 1.9, 1.8]) == 3
    assert page.evaluate(count, [5.0, 4.5, 4.0, 3.5, 3.0]) == 5
    assert page.evaluate(count, [2.0, 2.0, 2.0, 2.0]) == 4
    assert page.evaluate(count, [5.0, 1.0]) == 2
    assert page.evaluate(count, []) == 0


def test_the_api_is_drawn_and_tried_without_the_internet(page):
    page.goto("/docs")
    page.locator("[data-path='/healthz']").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
