"""A URL leads to a server's endpoints however it is spelled; one that cannot be, or holds a secret, is refused."""

import pytest

from curation.errors import UserError
from phi2chat.remote.address import find_address, is_loopback

KEY = "sk-canary-5f1d"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h:8000", "http://h:8000/v1"),
        ("http://h:8000/", "http://h:8000/v1"),
        ("http://h:8000/v1", "http://h:8000/v1"),
        (" https://h/v1/ ", "https://h/v1"),
        ("http://h/v1/chat/completions", "http://h/v1"),
        ("http://h/v1/completions/", "http://h/v1"),
        ("http://h/v1/models", "http://h/v1"),
        ("http://h/openai", "http://h/openai/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("HTTP://H", "http://h/v1"),
    ],
)
def test_a_url_leads_to_the_place_of_the_endpoints(url: str, address: str) -> None:
    assert find_address(url) == address


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:8000", "--endpoint: the URL has no http:// or https://; try http://localhost:8000"),
        ("gpu.local:8000/v1", "--endpoint: the URL has no http:// or https://; try http://gpu.local:8000/v1"),
        ("ftp://h", "--endpoint: the URL has no http:// or https://; give one such as http://localhost:8000/v1"),
        ("", "--endpoint: the URL has no http:// or https://; give one such as http://localhost:8000/v1"),
        ("http://", "--endpoint: is no URL; give one such as http://localhost:8000/v1"),
        ("http://a b", "--endpoint: is no URL; give one such as http://localhost:8000/v1"),
        ("http://h:99999", "--endpoint: is no URL; give one such as http://localhost:8000/v1"),
        ("http://h:x", "--endpoint: is no URL; give one such as http://localhost:8000/v1"),
        ("http://\x1b[2J", "--endpoint: is no URL; "),
        (f"http://u:{KEY}@h", "--endpoint: holds more than a server and a path; give one such as"),
        (f"http://h/v1?key={KEY}", "--endpoint: holds more than a server and a path; give one such as"),
    ],
)
def test_a_url_that_cannot_be_one_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        find_address(url)
    assert str(error.value).startswith(sentence)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *((host, True) for host in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "a.localhost")),
        *((host, False) for host in ("10.0.0.1", "localhost.example", "gpu-box")),
    ],
)
def test_this_machine_is_known_by_its_names(host: str, here: bool) -> None:
    assert is_loopback(host) is here
