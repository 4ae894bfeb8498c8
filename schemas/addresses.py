"""Addresses, and the credentials that people put into them.

An address ends in tables, logs, reports and runs, so what only opens a door must not be part of it.
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

_LOGIN: Final = re.compile(r"(\w://)([^/\s]*@|[^/\s@:]*:(?!\d+(?:[/?\s]|$))[^\s@]*@)")
"""User and password before the host. The second form is for keys of object stores, which may hold a slash; what stands
after a colon and is a number is a port.
"""

_SIGNED: Final = re.compile(
    r"([?&](?:X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|X-Goog-Signature|X-Goog-Credential|Signature|sig|"
    r"AWSAccessKeyId)=)[^&\s'\"]+",
    re.IGNORECASE,
)
"""What makes a signed address one that opens for whoever has it."""


_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a web address, as "https://host" or "http://host:8080"; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def without_password(text: str) -> str:
    """A text whose addresses are without the user, password or signature that may stand in them."""
    return _SIGNED.sub(r"\1...", _LOGIN.sub(r"\1", text))


def without_passwords(tree: Any) -> Any:
    """The same for every text in a tree of dictionaries and lists."""
    match tree:
        case dict():
            return {name: without_passwords(value) for name, value in tree.items()}
        case list() | tuple():
            return [without_passwords(value) for value in tree]
        case str():
            return without_password(tree)
        case _:
            return tree


def trouble_with(address: str) -> str | None:
    """Why an address or path must not be used, in words without the secret; None if it may. A user alone may."""
    if "\0" in address:
        return f"{without_password(address)!r} holds a zero byte, which no name of a file has"
    login = _LOGIN.search(address)
    if not (login and ":" in login[2]) and not _SIGNED.search(address):
        return None
    return (
        f"{without_password(address)} was given with credentials in it, which would end in tables and logs: leave them "
        "out, and set them where the processes run (for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role)"
    )
