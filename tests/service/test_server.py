"""The application as a server, for as long as somebody asks it something."""

from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from service.app import create_app
from service.demo import ask
from service.server import run_while


def test_the_demo_asks_a_real_server_which_is_gone_afterwards(settings, tiny_encoder):
    address = []

    def ask_there(url: str) -> str:
        address.append(url)
        return ask(url, ["a brown dog", "a red ball"])

    told = run_while(create_app(settings, tiny_encoder), ask_there, host="127.0.0.1")
    assert told.startswith("a brown dog") and told.count("score") == 6 and told.count("box [") == 18
    with pytest.raises(URLError):
        urlopen(f"{address[0]}/healthz")


def test_a_demo_without_images_has_failed(settings, tiny_encoder):
    for manifest in settings.data.glob("collections/*/manifest.json"):
        manifest.unlink()
    with pytest.raises(HTTPError, match="503"):
        run_while(create_app(settings, tiny_encoder), ask, host="127.0.0.1")
