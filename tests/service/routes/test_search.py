"""POST /search: what is found, in which order, and why."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from starlette.testclient import TestClient

from indexer.index.layout import collection_path
from indexer.index.records import content_id
from indexer.index.snapshot import open_snapshot
from indexer.pictures import pool_for
from indexer.pipeline import Photograph, index_photographs
from model.regions.files import FeatureFiles
from model.scoring import score
from model.selfalign.vsrn_encoder import VsrnEncoder
from service.app import create_app
from service.settings import Settings
from tests import selfalign
from tests.indexer.working import working
from tests.photographs import jpeg, write_photographs

SENTENCE = "a brown dog is running on the grass ."


def ask(client, text=SENTENCE, **query):
    response = client.post("/v1/search", json={"text": text, **query})
    assert response.status_code == 200, response.text
    return response.json()


def test_the_answer_is_that_of_brute_force_over_all_images(client, settings, tiny_encoder):
    snapshot = open_snapshot(collection_path(settings.data, "default"))
    (sentence,) = tiny_encoder.encode_sentences([SENTENCE])
    candidates = {"regions": snapshot.gather("regions", snapshot.live_rows)}
    scores = score(snapshot.score_spec, candidates, sentence).tolist()
    expected = sorted(zip(scores, snapshot.ids(snapshot.live_rows), strict=True), key=lambda hit: (-hit[0], hit[1]))
    answer = ask(client, limit=5)
    assert [hit["id"] for hit in answer["results"]] == [image_id for _, image_id in expected[:5]]
    assert [hit["score"] for hit in answer["results"]] == pytest.approx([score for score, _ in expected[:5]], abs=1e-5)
    assert [hit["rank"] for hit in answer["results"]] == [1, 2, 3, 4, 5]
    assert answer["total_shortlisted"] == len(expected)


@pytest.mark.parametrize("text", [SENTENCE, "dog", "two children play", "A t-shirt, a man's ball!", "  red   ball  "])
def test_the_shares_of_the_words_sum_to_the_score(client, text):
    for hit in ask(client, text, explain=True)["results"]:
        explanation = hit["explanation"]
        assert sum(word["contribution"] for word in explanation["words"]) == pytest.approx(hit["score"], abs=1e-3)
        for word in explanation["words"]:
            assert text[word["start"] : word["end"]] == word["text"]
            x0, y0, x1, y1 = explanation["regions"][str(word["region"])]["box"]
            assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1


@pytest.mark.parametrize(
    ("text", "words"), [("dog", ["dog"]), ("a red ball", ["a", "red", "ball"]), ("dog .", ["dog"])]
)
def test_every_word_is_answered_with_or_without_a_final_stop(client, text, words):
    (hit,) = ask(client, text, explain=True, limit=1)["results"]
    assert [word["text"] for word in hit["explanation"]["words"]] == words


def test_an_answer_says_all_that_is_needed_to_show_it(client):
    answer = ask(client, limit=1)
    (hit,) = answer["results"]
    assert (hit["width"], hit["height"], hit["metadata"]) == (96, 72, {"taken": "long ago"})
    assert hit["explanation"] is None and hit["name"].endswith(".jpg")
    assert client.get(hit["thumbnail"]).headers["content-type"] == "image/webp"
    assert answer["index_version"] == "default@1" and answer["model"].startswith("tiny-0@sha256:")
    assert answer["degraded"] == [] and answer["took_ms"]["total"] > 0 and answer["request_id"]


def test_the_short_path_answers_the_same(client):
    query = {"text": SENTENCE, "limit": 3}
    short, long = client.post("/search", json=query).json(), client.post("/v1/search", json=query).json()
    assert short["results"] == long["results"]


def test_a_repeated_question_is_answered_from_the_cache_under_its_own_request(client):
    first, second = ask(client, explain=True), ask(client, explain=True)
    assert second["results"] == first["results"] and second["request_id"] != first["request_id"]
    assert first["took_ms"]["encode"] > 0 and second["took_ms"]["encode"] == 0
    assert ask(client, explain=True, limit=3)["took_ms"]["encode"] > 0


def test_a_shortlist_limits_how_many_are_scored(client):
    answer = ask(client, shortlist=4, limit=10)
    assert answer["total_shortlisted"] == 4 and len(answer["results"]) == 4


@pytest.mark.parametrize("wanted", [{"exact": True}, {"recall": 1.0}, {"recall": 0.5}])
def test_a_small_collection_is_answered_exactly_however_it_is_asked(client, wanted):
    assert ask(client, **wanted)["results"] == ask(client)["results"]


@pytest.mark.parametrize("wanted", [{"recall": 1.1}, {"recall": 0.1}, {"recall": "all"}, {"shortlist": 0}])
def test_a_recall_that_cannot_be_is_refused(client, wanted):
    assert client.post("/search", json={"text": "a dog", **wanted}).status_code == 422


def test_an_empty_collection_finds_nothing(client, settings):
    for hit in ask(client, limit=100)["results"]:
        assert client.delete(f"/v1/images/{hit['id']}").status_code == 204
    assert ask(client)["results"] == []


def test_every_answer_while_images_come_and_go_is_that_of_one_commit(client, settings, tiny_encoder, pool):
    done, answers = Event(), []
    with working(settings.data, tiny_encoder, pool), ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask_until, done, client, answers, word) for word in ("dog", "ball")]
        for number in range(100, 110):
            client.post("/index?wait=60", files={"files": (f"{number}.jpg", jpeg(number))})
            client.delete(f"/images/{content_id(jpeg(number - 100))}")
        done.set()
        for asker in asking:
            asker.result()
    ids_of_version: dict[str, set[frozenset[str]]] = {}
    for version, ids in answers:
        ids_of_version.setdefault(version, set()).add(ids)
    assert len(ids_of_version) > 5 and all(len(different) == 1 for different in ids_of_version.values())


def ask_until(done: Event, client, answers: list, word: str) -> None:
    number = 0
    while not done.is_set():
        number += 1
        answer = ask(client, f"{word} {number}", limit=100)
        answers.append((answer["index_version"], frozenset(hit["id"] for hit in answer["results"])))


def test_a_model_whose_images_are_one_vector_answers_without_an_explanation(tmp_path):
    """Searched as by the page, which asks again without one."""
    features = FeatureFiles(selfalign.write_features(tmp_path, ["0000", "0001"], size=(96, 72)), selfalign.WIDTH)
    encoder = VsrnEncoder(selfalign.vsrn(), selfalign.WORDS, features, name="vsrn", fingerprint="5" * 64)
    photographs = [Photograph(path, path.name, str(path)) for path in write_photographs(tmp_path, range(2))]
    with pool_for(encoder, processes=1) as pool:
        index_photographs(photographs, collection_path(tmp_path, "default"), encoder=encoder, pool=pool)
    with TestClient(create_app(Settings(data=tmp_path), encoder)) as client:
        declined = client.post("/v1/search", json={"text": "a dog", "explain": True})
        assert (declined.status_code, declined.json()["code"]) == (422, "no_explanation")
        assert len(ask(client, "a dog")["results"]) == 2


def test_the_answers_of_a_batch_are_those_of_its_queries_alone(client):
    queries = [{"text": "a dog", "limit": 3}, {"text": "a ball", "limit": 3}, {"text": "a dog", "explain": True}]
    together = client.post("/v1/search:batch", json={"queries": queries}).json()["results"]
    alone = [client.post("/v1/search", json=query).json() for query in queries]
    assert [answer["results"] for answer in together] == [answer["results"] for answer in alone]
    assert alone[0]["took_ms"]["encode"] == 0  # the cache had it from the batch


def test_what_is_wrong_with_one_query_of_a_batch_is_its_own_problem(client):
    queries = [{"text": "a dog"}, {"text": "a dog", "collection": "nowhere"}, {"text": " "}]
    good, unknown, empty = client.post("/search:batch", json={"queries": queries}).json()["results"]
    assert len(good["results"]) == 12
    assert (unknown["status"], unknown["code"]) == (404, "not_found")
    assert (empty["status"], empty["code"]) == (422, "invalid_request")
    assert client.post("/search:batch", json={"queries": []}).status_code == 422


@pytest.mark.parametrize(
    ("condition", "found"), [({"any": ["long ago"]}, 12), ({"any": ["today"]}, 0), ({"gte": "l", "lte": "m"}, 12)]
)
def test_a_filter_says_what_may_be_found(client, condition, found):
    assert len(ask(client, filter={"taken": condition})["results"]) == found


@pytest.mark.parametrize("wrong", [{"taken": "long ago"}, {"taken": {"like": "l%"}}, {"taken": {"any": []}}, "taken"])
def test_a_filter_that_cannot_be_is_refused(client, wrong):
    assert client.post("/search", json={"text": "a dog", "filter": wrong}).status_code == 422
