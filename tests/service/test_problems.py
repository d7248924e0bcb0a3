"""Whatever goes wrong leaves as a problem document with a stable code and the id of its request."""

import errno
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from starlette.testclient import TestClient

from indexer.index.layout import collection_path
from indexer.index.records import content_id
from model.checkpoint import load_encoder
from model.embeddings import SentenceEmbedding
from service.app import create_app
from service.problems import PROBLEM_OF
from tests.photographs import jpeg

NOBODY = content_id(b"nobody")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def assert_problem(response, status, code, *, told=""):
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:teran:problem:{code}")
    assert problem["request_id"] and problem["request_id"] == response.headers["x-request-id"]
    assert told in problem["detail"] and problem["instance"] == response.request.url.path
    assert (status == 503) == ("retry-after" in response.headers)


def search(client, text="a dog", **query):
    return client.post("/v1/search", json={"text": text, **query})


def folder(client, path, **options):
    return client.post("/v1/index", json={"sources": [{"type": "folder", "path": path}], **options})


@pytest.mark.parametrize("text", ["word " * 10_000, " ", "...", "\N{WOMAN}", "\0"])
def test_a_sentence_that_cannot_be_encoded(client, text):
    assert_problem(search(client, text), 422, "invalid_request")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "x" * 200_001}, "/text"),
        ({"text": 3}, "/text"),
        ({"text": "dog", "limit": 0}, "/limit"),
        ({"text": "dog", "limit": 101}, "/limit"),
        ({"text": "dog", "colour": "red"}, "/colour"),
    ],
)
def test_a_query_of_the_wrong_form_says_where(client, query, pointer):
    response = client.post("/v1/search", json=query)
    assert_problem(response, 422, "invalid_request", told=pointer)
    assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": ', b"[" * 100_000, b'{"text": "\xff"}', b'{"text": "\\ud800"}'])
def test_a_body_that_is_not_json(client, body):
    for path in ("/v1/search", "/v1/index"):
        response = client.post(path, content=body, headers=JSON)
        assert response.status_code in (400, 422)
        assert_problem(response, response.status_code, "invalid_request")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""])
def test_a_content_type_that_is_not_understood(client, kind):
    headers = {"Content-Type": kind} if kind else {}
    assert_problem(client.post("/v1/index", content=b"x=1", headers=headers), 415, "invalid_request")
    assert_problem(client.post("/v1/search", content=b'{"text": "dog"}', headers=headers), 422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"", b"--x--\r\n", b"--x\r\nnonsense", b"--y\r\n\r\n--y--\r\n", b"--x\r\n\r\nno name\r\n--x--"]
)
def test_a_form_that_is_damaged_or_holds_no_file(client, body):
    response = client.post("/v1/index", content=body, headers=FORM)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code, "invalid_request")
    assert_problem(
        client.post("/v1/index", content=body, headers={"Content-Type": "multipart/form-data"}), 400, "invalid_request"
    )


def test_too_many_files_or_fields(client):
    files = [("files", (f"{number}.jpg", b"x")) for number in range(21)]
    assert_problem(client.post("/v1/index", files=files), 413, "too_many_files", told="20")
    fields = {f"field{number}": "x" for number in range(17)}
    assert_problem(client.post("/v1/index", files=files[:1], data=fields), 400, "invalid_request")


def test_collections_that_are_not_there_or_cannot_be(client, empty):
    assert_problem(search(client, collection="nowhere"), 404, "not_found", told="default")
    assert_problem(search(client, collection="../x"), 422, "invalid_request")
    assert_problem(client.delete(f"/v1/images/{NOBODY}?collection=nowhere"), 404, "not_found")
    for response in (search(empty), empty.get(f"/v1/images/{NOBODY}")):
        assert_problem(response, 503, "index_not_ready", told="POST /index")


@pytest.mark.parametrize("image", [NOBODY, "b3:short", "%00", "x" * 2000, "..%2f..%2fetc"])
def test_images_and_jobs_that_are_not_there(client, image):
    paths = [f"/v1/images/{image}", f"/v1/images/{image}/thumbnail", f"/v1/jobs/{image}", f"/v1/jobs/{image}/items"]
    for path in [*paths, f"/index/{image}", f"/images/{image}"]:
        assert_problem(client.get(path), 404, "not_found")
    assert_problem(client.delete(f"/v1/images/{image}"), 404, "not_found")
    assert_problem(client.post(f"/v1/jobs/{image}:cancel"), 404, "not_found")


@pytest.mark.parametrize("query", ["state=lost", "after=-1", "after=9223372036854775808", "limit=0", "limit=x"])
def test_a_page_of_items_that_cannot_be(client, query):
    assert_problem(client.get(f"/v1/jobs/any/items?{query}"), 422, "invalid_request")


def test_folders_that_may_not_be_indexed(client, settings, empty):
    (settings.roots[0] / "way_out").symlink_to("/etc")
    for path in ("/etc", "../data", "a/../../data", "way_out", "\0"):
        assert_problem(folder(client, path), 403, "forbidden")
    for path in ("missing", "x" * 5000):
        assert_problem(folder(client, path), 404, "not_found")
    assert_problem(folder(client, ""), 422, "invalid_request")
    assert_problem(folder(empty, "photos"), 422, "invalid_request", told="--root")


def test_a_time_to_wait_that_is_none(client):
    response = client.post("/v1/index?wait=soon", files={"files": ("a.jpg", jpeg(1))})
    assert_problem(response, 422, "invalid_request", told="soon")


def test_an_index_of_other_weights(settings, other_checkpoint):
    with TestClient(create_app(settings, load_encoder(str(other_checkpoint)))) as client:
        for response in (search(client), folder(client, "."), client.post("/index", files={"files": ("a", b"x")})):
            assert_problem(response, 409, "model_mismatch", told="fingerprint")
        assert not list((settings.data / "uploads").iterdir())


def test_routes_and_methods_that_are_not_there(client):
    assert_problem(client.get("/v1/nothing"), 404, "not_found")
    response = client.put("/v1/search", json={})
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    assert_problem(client.get("/page/../../pyproject.toml"), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/search", "/search", "/v1/index", "/index", "/v1/nothing"])
def test_a_body_that_is_too_long_whether_it_says_so_or_not(client, path):
    long = b" " * (2**20 + 1)
    assert_problem(client.post(path, content=long, headers=JSON), 413, "payload_too_large", told=str(2**20))
    if "nothing" not in path:
        assert_problem(client.post(path, content=iter([long]), headers=JSON), 413, "payload_too_large")


def test_an_upload_that_is_too_long_whether_it_says_so_or_not(client, settings):
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    long = part + bytes(settings.max_body_bytes)
    assert_problem(client.post("/v1/index", content=long, headers=FORM), 413, "payload_too_large")
    assert_problem(client.post("/v1/index", content=iter([long]), headers=FORM), 413, "payload_too_large")
    assert_problem(client.post("/v1/search", content=part * 20_000, headers=FORM), 413, "payload_too_large")
    assert not list((settings.data / "uploads").iterdir())


def test_a_full_disk(client, settings, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert_problem(client.post("/index", files={"files": ("a.jpg", jpeg(50))}), 507, "disk_full")
        assert_problem(client.delete(f"/v1/images/{content_id(jpeg(3))}"), 507, "disk_full")
        assert search(client).status_code == 200
    assert client.post("/index", files={"files": ("a.jpg", jpeg(50))}).status_code == 202
    assert client.delete(f"/v1/images/{content_id(jpeg(3))}").status_code == 204


def test_more_queries_than_can_be_answered(settings, tiny_encoder, monkeypatch):
    begun, may_go_on, encode = Event(), Event(), tiny_encoder.encode_sentences

    def encode_late(sentences: list[str]) -> list[SentenceEmbedding]:
        begun.set()
        assert may_go_on.wait(30)
        return encode(sentences)

    monkeypatch.setattr(tiny_encoder, "encode_sentences", encode_late)
    app = create_app(settings.model_copy(update={"max_queries": 1}), tiny_encoder)
    with TestClient(app) as client, ThreadPoolExecutor(1) as threads:
        admitted = threads.submit(search, client)
        begun.wait(30)
        assert_problem(search(client), 503, "overloaded")
        may_go_on.set()
        assert admitted.result().status_code == 200 and search(client).status_code == 200


def test_what_was_not_foreseen_is_logged_with_its_request_and_told_to_nobody(client, monkeypatch, caplog):
    monkeypatch.setattr(client.app.state.parts.ledger, "_database", None)
    with caplog.at_level(logging.ERROR):
        response = client.get("/v1/jobs/any")
    assert_problem(response, 500, "internal")
    assert response.json()["request_id"] in caplog.text and "NoneType" not in response.text


def test_a_collection_that_is_damaged_from_the_start(settings, tiny_encoder):
    (rows,) = collection_path(settings.data, "default").glob("segments/*/channel.regions.rows")
    rows.write_bytes(rows.read_bytes()[:-1])
    with TestClient(create_app(settings, tiny_encoder)) as client:
        assert_problem(search(client), 503, "index_not_ready", told=str(rows))


def test_every_error_has_a_status_that_the_schema_documents(client):
    documented = client.get("/openapi.json").json()["paths"]["/v1/index"]["post"]["responses"]
    for status, _ in PROBLEM_OF.values():
        assert "application/problem+json" in documented[str(int(status))]["content"]
