"""Numbers of an h5 file come out of that file: one that points to others could carry any file of the reader's away."""

from typing import Any


def require_own(file: Any) -> None:
    """Refuse an open `h5py.File` with links to other files, or with arrays that are stored in other files.

    Nothing is followed: behind a link may be a pipe that never ends.

    Raises:
        ValueError: naming the first such link or array.
    """
    import h5py

    def look(name: str, item: Any) -> str | None:
        if isinstance(item, h5py.ExternalLink):
            return f"its '{name}' is a link into another file, {item.filename}"
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return f"its array '{name}' is stored in other files"
        return None

    # Links first: neither walk follows them, but the second opens what it meets.
    found = file.visititems_links(look) or file.visititems(look)
    if found:
        raise ValueError(f"{found}; such files are not followed: copy the arrays into one file")
