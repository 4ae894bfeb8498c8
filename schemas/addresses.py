"""Addresses, and the credentials that people put into them.

An address ends in tables, logs, reports and runs, so credentials must not be part of it.
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
"""Parameters that make a signed address open for anybody who has it."""


_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of a web address, as "https://host" or "http://host:8080"; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


_QUERY: Final = re.compile(
    r"(\b(?!(?:s3a?|gs|gcs|az|abfss?|file|memory)://)[a-z][a-z0-9+.-]*://[^'\"?\n]*\?)[^\s'\"]+", re.IGNORECASE
)
"""The part behind the question mark of an address, under whatever name a server takes keys there. In a store it is a
part of the file's name.
"""

_CONTAINER: Final = re.compile(r"(?:abfss?|az)://[^/\s:@]*@[^/\s@]+\.core\.windows\.net(?:/|$)")
"""An address of Azure, whose container stands where others have a user."""


def without_password(text: str) -> str:
    """A text whose addresses are without the user, password, signature or query that may stand in them."""
    return _QUERY.sub(r"\1...", _SIGNED.sub(r"\1...", _LOGIN.sub(r"\1", text)))


def without_passwords(tree: Any) -> Any:
    """Remove them from every text in a tree of dictionaries and lists."""
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
    """Explain, without the secret, why an address or path must not be used; None if it may.

    A user alone may be a token, and a query may hold one, so neither passes.
    """
    if "\0" in address:
        return f"{without_password(address)!r} holds a zero byte, which no name of a file has"
    login = _LOGIN.search(address)
    if _holds_credentials(address) or (login and not _CONTAINER.match(address)):
        return (
            f"{without_password(address)} was given with credentials in it, which would end in tables and logs: leave "
            "them out, and set them where the processes run (for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "a role)"
        )
    if _QUERY.search(address):
        return (
            f"{without_password(address)} was given with a query, which may hold a key and would end in tables and "
            "logs: leave out what stands behind the question mark, or fetch the file and name the copy"
        )
    return None


def trouble_with_word(word: str) -> str | None:
    """The same for a word of a command line. One with spaces in it is a sentence, which may name pages with a query."""
    is_sentence = any(letter.isspace() for letter in word)
    return None if is_sentence and not _holds_credentials(word) else trouble_with(word)


def _holds_credentials(text: str) -> bool:
    login = _LOGIN.search(text)
    return bool((login and ":" in login[2]) or _SIGNED.search(text))


def require_no_credentials(address: str) -> str:
    """Return the address.

    Raises: ValueError - it holds credentials.
    """
    if trouble := trouble_with(address):
        raise ValueError(trouble)
    return address
