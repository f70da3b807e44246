"""Which file a row of a CSV means: the one of that path, and never another file of the same name."""

import re
from collections import defaultdict

from ..errors import NotFoundError, UsageError

IMAGE_NAME = re.compile(r"\.(png|jpe?g|tiff?|bmp|dcm|dicom)$", re.I)
SHOWN = 3  # names in a message


def locate(names: list[str], keys: list[str], folder: str, where: str, partial: bool = False) -> list[str | None]:
    """The key of each image, for the names that a CSV at `where` gives to images below `folder`; None for one that is not there.

    A name is a path below the folder, with or without the folder's own name before it (as in CheXpert), or the end of
    exactly one path: a file name alone, with or without its extension, wherever the file lies.
    Raises NotFoundError for names without a file, unless only a part of the set is there; UsageError for those that fit
    several.
    """
    images = [key for key in keys if IMAGE_NAME.search(key)]
    whole, ends = set(images), _ends(images)
    paths = [_below(name, folder) for name in names]
    own = _common_folder(paths)
    files: list[str | None] = []
    missing: list[str] = []
    ambiguous: list[str] = []
    for path in paths:
        inner = _without(path, own, folder)
        found = [path] if path in whole else [inner] if inner in whole else ends.get(path, [])
        files.append(found[0] if len(found) == 1 else None)
        if len(found) != 1:
            (ambiguous if found else missing).append(path)
    if len(missing) == len(names) or (missing and not partial):
        raise NotFoundError(
            f"{where} names {len(missing)} images that are not there, such as {_some(missing)}; "
            "add the files, leave the rows out, or set source.partial for a set that is here in part (a path must match a file; another file of the same name is never taken)"
        )
    if ambiguous:
        raise UsageError(
            f"{where} names {len(ambiguous)} images that are in several folders, such as {_some(ambiguous)}; write their paths below {folder}"
        )
    return files


def _ends(images: list[str]) -> dict[str, list[str]]:
    """The images whose path ends in a name: each path from each of its folders on, with and without the extension."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in images:
        parts = key.split("/")
        for first in range(len(parts)):
            end = "/".join(parts[first:])
            found[end].append(key)
            found[end.rsplit(".", 1)[0]].append(key)
    return found


def _below(name: str, folder: str) -> str:
    path = name.strip().removeprefix(folder.rstrip("/") + "/").lstrip("/")
    while path.startswith("./"):
        path = path[2:]
    return path


def _common_folder(paths: list[str]) -> str | None:
    """The first folder, where all paths have the same."""
    first = {path.partition("/")[0] if "/" in path else "" for path in paths}
    return first.pop() or None if len(first) == 1 else None


def _without(path: str, own: str | None, folder: str) -> str | None:
    """A path without the name of the folder itself. What is left of another first folder must still say in which folder it lies."""
    if own is None:
        return None
    inner = path[len(own) + 1 :]
    return inner if "/" in inner or own == folder.rstrip("/").rsplit("/", 1)[-1] else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN])
