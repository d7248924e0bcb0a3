"""POST /index: photographs in, and jobs that tell what became of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexer.errors import DecodeCode
from indexer.index.records import content_id
from service.intake import TOO_LARGE
from tests.indexer.working import working
from tests.photographs import bomb_png, jpeg, truncated_jpeg, write_photographs


def upload(client, photographs: dict[str, bytes], *, path="/v1/index", collection=None, headers=None):
    files = [("files", (name, data, "image/jpeg")) for name, data in photographs.items()]
    return client.post(path, files=files, data={"collection": collection} if collection else None, headers=headers)


def folder(client, path: Path | str, **options):
    return client.post("/v1/index", json={"sources": [{"type": "folder", "path": str(path)}], **options})


@pytest.fixture
def worker(settings, tiny_encoder, pool):
    with working(settings.data, tiny_encoder, pool):
        yield


@pytest.mark.parametrize("path", ["/index", "/v1/index"])
def test_an_upload_is_accepted_as_a_job_that_can_be_followed(client, path):
    response = upload(client, {"a.jpg": jpeg(100), "b.jpg": jpeg(101)}, path=path)
    job = response.json()
    assert response.status_code == 202 and response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["collection"], job["counts"]["received"]) == ("queued", "default", 2)
    assert client.get(response.headers["location"]).json()["counts"]["queued"] == 2


def test_what_was_uploaded_is_found_by_the_very_next_search(client, worker):
    response = upload(client, {"new.jpg": jpeg(100)}, path="/v1/index?wait=60s")
    assert response.status_code == 200 and response.json()["state"] == "succeeded"
    answer = client.post("/v1/search", json={"text": "a dog", "limit": 100}).json()
    assert "new.jpg" in {hit["name"] for hit in answer["results"]} and answer["index_version"] == "default@2"


def test_metadata_of_a_manifest_is_what_filters_ask_for(client, worker):
    files = [("files", (f"{name}.jpg", jpeg(number), "image/jpeg")) for name, number in (("out", 100), ("in", 101))]
    manifest = '{"filename": "out.jpg", "metadata": {"tags": ["outdoor", "dog"]}}\n'
    assert client.post("/v1/index?wait=60s", files=files, data={"manifest": manifest}).json()["state"] == "succeeded"
    found = client.post("/v1/search", json={"text": "a dog", "filter": {"tags": {"any": ["outdoor"]}}}).json()[
        "results"
    ]
    assert [(hit["name"], hit["metadata"]) for hit in found] == [("out.jpg", {"tags": ["outdoor", "dog"]})]


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("{", "line 1"),
        ('\n{"filename": "a.jpg"}', "line 2"),
        ('{"filename": "b.jpg", "metadata": {}}', "'b.jpg' is no file of this form"),
        ('{"filename": "a.jpg", "metadata": {}}\n' * 2, "named twice"),
        ('{"filename": "a.jpg", "metadata": {}, "id": "mine"}', "line 1"),
        ('{"filename": "a.jpg", "metadata": {"x": "' + "y" * 20_000 + '"}}', "longer than"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(client, manifest, told):
    files = [("files", ("a.jpg", jpeg(100), "image/jpeg")), ("manifest", ("m.jsonl", manifest, "text/plain"))]
    response = client.post("/v1/index", files=files)
    assert response.status_code == 422 and told in response.json()["detail"]


def test_bad_files_among_good_ones_fail_alone(client, worker):
    photographs = {"bomb.png": bomb_png(), "a.jpg": jpeg(100), "cut.jpg": truncated_jpeg(), "b.jpg": jpeg(100)}
    job = upload(client, {**photographs, "big.jpg": bytes(200_000)}, path="/v1/index?wait=60").json()
    items = client.get(job["links"]["items"]).json()["items"]
    assert job["state"] == "partial" and {item["name"]: item["code"] or item["state"] for item in items} == {
        "big.jpg": "image_too_large",
        "bomb.png": "image_too_large",
        "a.jpg": "indexed",
        "cut.jpg": "image_truncated",
        "b.jpg": "duplicate",
    }
    assert {error["item"] for error in job["errors_sample"]} == {"big.jpg", "bomb.png", "cut.jpg"}


def test_an_upload_that_is_too_large_has_the_code_of_the_decoder():
    assert TOO_LARGE == DecodeCode.TOO_LARGE


def test_a_folder_in_a_root_is_indexed_where_it_lies(client, settings, worker):
    paths = write_photographs(settings.roots[0] / "holidays", range(100, 103))
    job = folder(client, "holidays", collection="mine").json()
    assert client.get(f"/v1/jobs/{job['id']}").json()["collection"] == "mine"
    client.post("/v1/index?wait=60", json={"sources": [{"type": "folder", "path": "holidays"}], "collection": "mine"})
    found = client.post("/search", json={"text": "a dog", "collection": "mine"}).json()["results"]
    assert {hit["name"] for hit in found} == {path.name for path in paths} and all(path.exists() for path in paths)
    assert all(client.get(hit["thumbnail"]).status_code == 200 for hit in found)


def test_the_same_key_gives_the_same_job_and_another_request_under_it_is_refused(client):
    headers = {"Idempotency-Key": "k1"}
    first, again = (upload(client, {"a.jpg": jpeg(100)}, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"] and again["counts"]["received"] == 1
    assert upload(client, {"a.jpg": jpeg(100)}).json()["id"] != first["id"]
    other = upload(client, {"a.jpg": jpeg(101)}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_nothing_stays_of_a_refused_upload(client, settings):
    upload(client, {"a.jpg": jpeg(100)}, headers={"Idempotency-Key": "k1"})
    before = set((settings.data / "uploads").iterdir())
    assert upload(client, {"a.jpg": jpeg(101)}, headers={"Idempotency-Key": "k1"}).status_code == 422
    assert upload(client, {"a.jpg": jpeg(100)}, collection="No name!").status_code == 422
    assert set((settings.data / "uploads").iterdir()) == before


def test_waiting_ends_with_its_time(client):
    response = upload(client, {"a.jpg": jpeg(100)}, path="/v1/index?wait=0.2s")
    assert response.status_code == 202 and response.json()["state"] == "queued"


def test_uploads_that_come_together_are_all_indexed_once(client, worker):
    with ThreadPoolExecutor(4) as threads:
        photographs = [{f"{n}.jpg": jpeg(100 + n % 4)} for n in range(8)]
        jobs = list(threads.map(lambda one: upload(client, one, path="/v1/index?wait=60").json(), photographs))
    fates = sorted(item["state"] for job in jobs for item in client.get(job["links"]["items"]).json()["items"])
    assert fates == ["duplicate"] * 4 + ["indexed"] * 4


def test_a_job_is_cancelled_before_it_is_begun_by_either_path(client):
    for cancel in (lambda job: client.post(f"/v1/jobs/{job}:cancel"), lambda job: client.delete(f"/index/{job}")):
        job = upload(client, {"a.jpg": jpeg(100)}).json()["id"]
        assert cancel(job).json()["state"] == "cancelled"
        assert client.get(f"/index/{job}").json()["counts"]["cancelled"] == 1


def test_items_are_listed_in_pages_and_by_state(client):
    job = upload(client, {f"{n}.jpg": jpeg(n) for n in range(5)} | {"big.jpg": bytes(200_000)}).json()
    url = job["links"]["items"]
    first = client.get(f"{url}?limit=4").json()
    rest = client.get(f"{url}?limit=4&after={first['next_after']}").json()
    assert [item["name"] for item in first["items"] + rest["items"]] == [*(f"{n}.jpg" for n in range(5)), "big.jpg"]
    assert rest["next_after"] is None
    assert [item["name"] for item in client.get(f"{url}?state=failed").json()["items"]] == ["big.jpg"]
    assert first["items"][1]["id"] == content_id(jpeg(1))
