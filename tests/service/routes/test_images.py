"""What is known of one image, its thumbnail, and its end."""

from io import BytesIO

import pytest
from PIL import Image

from indexer.index.records import content_id
from tests.photographs import jpeg

IMAGE = content_id(jpeg(3))
NOBODY = content_id(b"nobody")


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_an_image_is_described(client, prefix):
    image = client.get(f"{prefix}/images/{IMAGE}").json()
    assert (image["id"], image["name"], image["collection"]) == (IMAGE, "0003.jpg", "default")
    assert (image["width"], image["height"], image["size"]) == (96, 72, len(jpeg(3)))
    assert image["metadata"] == {"taken": "long ago"} and len(image["regions"]) > 1
    assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in (r["box"] for r in image["regions"]))


def test_a_thumbnail_is_a_small_picture_for_ever(client):
    response = client.get(f"/v1/images/{IMAGE}/thumbnail")
    with Image.open(BytesIO(response.content)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (96, 72))
    assert "immutable" in response.headers["cache-control"] and response.headers["etag"] == f'"{IMAGE}"'


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"other", "{}"', '"other",W/"{}"'])
def test_a_thumbnail_that_is_known_is_not_sent_again(client, tag):
    url, known = f"/v1/images/{IMAGE}/thumbnail", {"If-None-Match": tag.format(IMAGE)}
    response = client.get(url, headers=known)
    assert response.status_code == 304 and not response.content and response.headers["etag"] == f'"{IMAGE}"'
    assert client.get(url, headers={"If-None-Match": f'"{NOBODY}"'}).status_code == 200
    client.delete(f"/v1/images/{IMAGE}")
    assert client.get(url, headers=known).status_code == 404


def test_the_very_next_search_does_without_a_deleted_image(client):
    query = {"text": "a dog", "limit": 100}
    best = client.post("/v1/search", json=query).json()["results"][0]["id"]
    assert client.delete(f"/v1/images/{best}").status_code == 204
    answer = client.post("/v1/search", json=query).json()
    assert best not in {hit["id"] for hit in answer["results"]} and answer["index_version"] == "default@2"


@pytest.mark.parametrize("path", ["", "/thumbnail"])
def test_a_deleted_image_is_gone_everywhere(client, path):
    client.delete(f"/images/{IMAGE}")
    assert client.get(f"/v1/images/{IMAGE}{path}").status_code == 404
    assert client.delete(f"/v1/images/{IMAGE}").status_code == 404
