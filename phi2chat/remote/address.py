"""The URL of a server as people give it -> the address that its endpoints stand under."""

import ipaddress
import re

import httpx2

from curation.errors import UserError

KEY_VARIABLE = "OPENAI_API_KEY"
_ENDPOINTS = re.compile(r"/(chat/completions|completions|models)$")
_VERSION = re.compile(r"/v\d+\w*(/|$)")


def find_address(url: str) -> str:
    """The address under which a server's endpoints stand, from a URL with or without /v1, or of an endpoint.

    Raises UserError where it is none, or holds a name, a key or a query.
    """
    text = url.strip()
    remedy = "give one such as http://localhost:8000/v1"
    if not re.match(r"https?://", text, re.IGNORECASE):
        hint = f"http://{text}" if re.fullmatch(r"[\w.-]+(:\d+)?(/[\w./-]*)?", text, re.ASCII) else ""
        raise UserError(f"--endpoint: the URL has no http:// or https://; {f'try {hint}' if hint else remedy}")
    try:
        parsed = httpx2.URL(text)
        port = parsed.port or 80
    except (httpx2.InvalidURL, ValueError):  # whose message may quote a password
        raise UserError(f"--endpoint: is no URL; {remedy}") from None
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise UserError(f"--endpoint: holds more than a server and a path; {remedy}, and a key in {KEY_VARIABLE}")
    if not re.fullmatch(r"[\w.:\-\[\]]+", parsed.host) or not 0 < port < 65536:
        raise UserError(f"--endpoint: is no URL; {remedy}")
    path = _ENDPOINTS.sub("", parsed.path.rstrip("/"))
    return str(parsed.copy_with(path=path if _VERSION.search(path) else f"{path}/v1"))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ipaddress.ip_address(host)
        return address.is_loopback or address.is_unspecified
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
