"""Addresses of servers, and which key may go to which."""

import ipaddress
import os
import re
from collections.abc import Mapping

import httpx

from isoflop.errors import Missing, UsageError
from isoflop.lm.wire import one_line

OPENAI = "https://api.openai.com/v1"
SECRET = re.compile(r"(?i)key|token|secret|password|passwd|auth|credential|^sig(nature)?$")


def is_this_machine(base_url: str) -> bool:
    """Whether a URL's host is a loopback name or address."""
    host = httpx.URL(base_url).host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def key_names(base_url: str) -> tuple[str, ...]:
    """The variables whose key may go to this host, first one first.

    A key for OpenAI is not shown to other machines because an address was typed.
    """
    own = _is_openai(base_url) or is_this_machine(base_url)
    return ("ISOFLOP_API_KEY", "OPENAI_API_KEY") if own else ("ISOFLOP_API_KEY",)


def _is_openai(base_url: str) -> bool:
    host = httpx.URL(base_url).host
    return host == "openai.com" or host.endswith(".openai.com")


def key_for(base_url: str, environment: Mapping[str, str] | None = None) -> str:
    """The key for this host from the environment; "" when there is none.

    `ISOFLOP_API_KEY` goes to whichever host the user names, `OPENAI_API_KEY` to openai.com and to
    this machine only.

    Raises:
        Missing: If there is none for openai.com, which answers nobody without one.
    """
    found = os.environ if environment is None else environment
    names = key_names(base_url)
    key = next((key for name in names if (key := found.get(name, "").strip())), "")
    if not key and _is_openai(base_url):
        raise Missing(
            f"{base_url} wants a key, and neither {' nor '.join(names)} is set.\n"
            "  Set one, or name another server with --base-url or ISOFLOP_BASE_URL."
        )
    return key


def checked(base_url: str) -> str:
    """A base URL in its plain form.

    Raises:
        UsageError: If it is no http(s) address, or holds a password or key: addresses are shown
            in messages and logs.
    """
    example = "Write it like http://localhost:11434/v1."
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise UsageError(f"{base_url!r} is no address: {error}. {example}") from None
    if url.userinfo:
        raise UsageError(
            f"The address of {url.host} holds a name or password; addresses are shown in messages."
            "\n  Put the key into ISOFLOP_API_KEY instead."
        )
    if secret := next((name for name in url.params if SECRET.search(name)), None):
        raise UsageError(
            f"The address of {url.host} holds a {one_line(secret)}; addresses are shown in messages"
            " and logs.\n  Put the key into ISOFLOP_API_KEY instead."
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"{base_url!r} is no http or https address. {example}")
    path = url.path.rstrip("/").removesuffix("/completions").removesuffix("/chat")
    return str(url.copy_with(path=path or "/", fragment=None)).rstrip("/")


def printable(key: str) -> str:
    """A key without the white space around it.

    Raises:
        Missing: If it cannot be sent in a header; it is not shown.
    """
    key = key.strip()
    if key.isascii() and key.isprintable():
        return key
    raise Missing(
        "The key holds a character that cannot be sent in a header, such as a line break.\n"
        "  Set the variable again, without quotes or breaks inside."
    )
