"""Whether the service lives, can answer, and what it has done."""

import pytest
from starlette.testclient import TestClient

from indexer.index.layout import collection_path
from indexer.pipeline import Photograph, index_photographs
from model.checkpoint import load_encoder
from service.app import create_app
from tests.photographs import write_photographs


def states(response) -> dict[str, str]:
    return {check["name"]: check["state"] for check in response.json()["checks"]}


def index_one(settings, encoder, pool, number: int, *, collection: str = "default") -> None:
    (path,) = write_photographs(settings.roots[0], range(number, number + 1))
    folder = collection_path(settings.data, collection)
    index_photographs([Photograph(path, path.name, str(path))], folder, encoder=encoder, pool=pool)


def damage_latest(settings, *, collection: str = "default") -> str:
    segments = collection_path(settings.data, collection).glob("segments/*/channel.regions.rows")
    rows = max(segments, key=lambda path: path.stat().st_mtime_ns)
    rows.write_bytes(rows.read_bytes()[:-1])
    return str(rows)


def test_a_service_that_can_answer_is_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    response = client.get("/readyz")
    assert response.status_code == 200 and response.json()["status"] == "ready"
    assert states(response) == dict.fromkeys(("canary", "index", "disk", "worker", "cache"), "ok")


def test_a_service_without_images_is_ready(empty):
    assert empty.get("/readyz").status_code == 200


def test_a_damaged_commit_is_named_while_the_one_before_is_served(client, settings, tiny_encoder, pool):
    query = {"text": "a dog", "limit": 100}
    before = client.post("/search", json=query).json()
    index_one(settings, tiny_encoder, pool, 50)
    file = damage_latest(settings)
    after = client.post("/search", json=query).json()
    assert after["results"] == before["results"] and after["index_version"] == "default@1"
    response = client.get("/readyz")
    assert response.status_code == 200 and states(response)["index"] == "warn" and file in response.text
    assert "teran_live_images" in client.get("/metrics").text


def test_one_damaged_collection_does_not_take_the_others_along(settings, tiny_encoder, pool):
    index_one(settings, tiny_encoder, pool, 50, collection="other")
    file = damage_latest(settings, collection="other")
    with TestClient(create_app(settings, tiny_encoder)) as client:
        response = client.get("/readyz")
        assert response.status_code == 200 and file in response.text
        assert client.post("/search", json={"text": "a dog"}).status_code == 200
        assert client.post("/search", json={"text": "a dog", "collection": "other"}).status_code == 503


def test_a_service_that_can_serve_no_collection_is_not_ready(settings, tiny_encoder, other_checkpoint):
    with TestClient(create_app(settings, load_encoder(str(other_checkpoint)))) as client:
        response = client.get("/readyz")
        assert response.status_code == 503 and "fingerprint" in response.text
    file = damage_latest(settings)
    with TestClient(create_app(settings, tiny_encoder)) as client:
        response = client.get("/readyz")
        assert response.status_code == 503 and file in response.text
        assert client.get("/healthz").status_code == 200 and client.get("/metrics").status_code == 200


def test_an_encoder_that_fails_makes_the_service_not_ready_until_it_works(client, tiny_encoder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(tiny_encoder, "_tokenizer", None)
        response = client.get("/readyz")
        assert response.status_code == 503 and states(response)["canary"] == "fail"
    assert client.get("/readyz").status_code == 200


def test_metrics_count_requests_by_route_and_tell_of_searches(client):
    for _ in range(2):
        client.post("/v1/search", json={"text": "a dog"})
    client.get("/v1/jobs/nobody")
    client.request("BREW", "/v1/search")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    for line in (
        'teran_http_requests_total{method="POST",route="/search",status="200"} 2.0',
        'teran_http_requests_total{method="GET",route="/jobs/{job}",status="404"} 1.0',
        'teran_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'teran_query_cache_total{result="hit"} 1.0',
        'teran_query_cache_total{result="miss"} 1.0',
        'teran_search_stage_seconds_count{stage="rerank"} 1.0',
        'teran_live_images{collection="default"} 12.0',
        "teran_unfinished_items 0.0",
    ):
        assert line in text.splitlines(), text
    assert 'method="other"' in text and "BREW" not in text


@pytest.mark.parametrize("path", ["/", "/page/index.html", "/docs", "/healthz"])
def test_pages_may_load_nothing_from_elsewhere(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self'")


def test_a_browser_asks_each_time_whether_its_copy_of_the_page_still_holds(client):
    for path in ("/", "/page/index.html"):
        response = client.get(path)
        assert response.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304 and again.headers["cache-control"] == "no-cache"


def test_the_number_of_unfinished_items_is_told(empty):
    empty.post("/index", files={"files": ("a.jpg", b"x")})
    assert "teran_unfinished_items 1.0" in empty.get("/metrics").text.splitlines()
