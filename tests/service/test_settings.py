"""What is set from outside: given values first, then the environment, and one line about what cannot be."""

from pathlib import Path

import pytest

from service.errors import BadSettings
from service.settings import read_settings


def test_what_is_given_comes_before_the_environment(monkeypatch):
    for name, value in {"DATA": "/from/environment", "PORT": "8001", "ROOTS": '["/a", "/b"]', "THREADS": ""}.items():
        monkeypatch.setenv(f"TERAN_{name}", value)
    settings = read_settings(data=Path("/given"), port=None)
    assert (settings.data, settings.port, settings.threads) == (Path("/given"), 8001, None)
    assert settings.roots == [Path("/a"), Path("/b")]


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "many"), ("PORT", "70000"), ("ROOTS", "/a"), ("DEVICE", "toaster"), ("THREADS", "0")]
)
def test_what_cannot_be_is_told_in_one_line(monkeypatch, name, value):
    monkeypatch.setenv(f"TERAN_{name}", value)
    with pytest.raises(BadSettings, match=f"(?i){name}") as raised:
        read_settings()
    assert "\n" not in str(raised.value)
