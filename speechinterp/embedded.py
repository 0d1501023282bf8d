"""The files that come with the package, each checked against its recorded checksum when it is used."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from speechinterp.errors import CorpusError, SpeechInterpError

__all__ = ["data_folder", "embedded_file", "embedded_folder", "embedded_models"]

SUMS = "checksums.sha256"
REINSTALL = (
    "in a checkout: git checkout -- data; installed: pip install --force-reinstall --no-deps speechinterp; "
)
RESTORE = REINSTALL + "or make the corpus anew: python recipes/embedded/corpus.py --split test"


def data_folder() -> Path:
    """Return the folder of the embedded data: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    return next(
        (f for f in (package / "data", package.parent / "data") if (f / SUMS).is_file()), package / "data"
    )


def embedded_file(
    name: str, root: Path | None = None, error: type[SpeechInterpError] = CorpusError, fix: str = RESTORE
) -> Path:
    """Return the path of an embedded file that is whole.

    Parameters
    ----------
    name
        Its path below the data folder, such as ``"demo/speakers.csv"``.
    root
        Another data folder.
    error
        What to raise.
    fix
        How such a file is restored.

    Raises
    ------
    SpeechInterpError
        Of the class `error`, if the file is missing or its checksum differs from the recorded one.

    Notes
    -----
    A file is read for this once in a process, and again only after it has changed.
    """
    root = data_folder() if root is None else root
    path = root / name
    recorded = _recorded(root).get(name)
    found = _checksum(path, path.stat().st_mtime_ns) if path.is_file() else None
    if recorded is None or found != recorded:
        what = "is missing" if found is None else "is damaged or changed" if recorded else "has no checksum"
        raise error(
            f"the embedded file {name} {what} ({path})",
            expected=f"a file with the SHA-256 {recorded}" if recorded else f"a line for it in {root / SUMS}",
            cause="a copy or download that was broken off, or a file that was edited",
            fix=fix,
        )
    return path


def embedded_folder(
    name: str, root: Path | None = None, error: type[SpeechInterpError] = CorpusError, fix: str = RESTORE
) -> Path:
    """Return the path of an embedded folder, all of whose files are whole; arguments and errors are those of a file."""
    root = data_folder() if root is None else root
    for file in _recorded(root):
        if file.startswith(f"{name}/"):
            embedded_file(file, root, error, fix)
    return root / name


def embedded_models(root: Path | None = None) -> list[str]:
    """Return the names of the embedded models, such as ``demo/wav2vec2``."""
    files = _recorded(data_folder() if root is None else root)
    return sorted({f"demo/{file.split('/')[1]}" for file in files if file.startswith("models/")})


@cache
def _recorded(root: Path) -> dict[str, str]:
    try:
        lines = (root / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}


@cache
def _checksum(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
