"""Listing of the objects of a store, a page at a time: a bucket may hold more than memory has room for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import regex

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import SourceError
from heterodub.tasks.sources.inventory import OBJECTS, inventory_pages, read_inventory
from heterodub.tasks.stores.remote import as_os_errors, object_pages, open_store
from heterodub.tasks.stores.row_spool import RowSpool


@contextmanager
def reached(uri: str, origins: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """Open the store of a URI; its path in it.

    Raises: SourceError - in place of what goes wrong with the store inside the block.
    """
    try:
        with as_os_errors():
            yield open_store(uri, origins)
    except (OSError, ImportError, ValueError) as error:
        raise SourceError(f"{uri}: {message_of(error)}") from error


def objects_below(root: str, inventory: str | None, origins: Sequence[str]) -> RowSpool:
    """List the objects below the address `root`, or the one at it, on disk: by an inventory, or by asking the store.

    Raises: SourceError - the store cannot be read, or the inventory is damaged, or of another bucket.
    """
    objects = RowSpool(OBJECTS)
    with reached(root, origins) as (store, place):
        if inventory is not None:
            for rows in inventory_pages(read_inventory(inventory, origins), place, origins):
                objects.add(rows)
            return objects
        for page in filter(None, object_pages(store, place)):
            columns = zip(*map(_object, page), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, OBJECTS, strict=True)]
            objects.add(pa.record_batch(arrays, schema=OBJECTS))
    return objects


def ending_with(objects: RowSpool, *ends: str) -> list[str]:
    """Return the paths that end with one of these words."""
    wanted = "|".join(f"{regex.escape(end)}$" for end in ends)
    found = (page["path"].filter(pc.match_substring_regex(page["path"], wanted)) for page in objects)
    return [path for paths in found for path in paths.to_pylist()]


def mark_of(facts: Mapping[str, Any]) -> str:
    """Return what a store says of an object that changes with its content."""
    return str(facts.get("ETag") or facts.get("etag") or facts.get("mtime") or facts.get("LastModified") or "")


def _object(facts: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(facts["name"]), int(facts.get("size") or 0), mark_of(facts)
