"""What keeps the house in order: floors between rooms, short modules, a fast start, no private paths."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import speechinterp

PACKAGE = Path(speechinterp.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # 350 is the aim

# A room imports only from lower floors. Below the rooms stand the nouns of time and the embedded files, and below
# them the errors.
FLOORS = {
    "errors": -2,
    **dict.fromkeys(["segments", "frames", "embedded"], -1),
    "audio": 0,
    **dict.fromkeys(["corpora", "models"], 1),
    **dict.fromkeys(["align", "representations", "accessor"], 2),
    **dict.fromkeys(["probing", "similarity", "lenses", "mixing", "attribution", "causal"], 3),
    **dict.fromkeys(["viz", "report"], 4),
    "cli": 5,
    "__main__": 6,
}

CHECKOUT = Path(__file__).parents[1]
in_checkout = pytest.mark.skipif(
    not (CHECKOUT / "Makefile").exists(),
    reason="the tests stand alone here, without the checkout they belong to",
)


def name_of(path: Path) -> str:
    """Return the path of a module within the package."""
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    """Return the room that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[str]:
    """List the full names of the modules that are imported anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST, (
        "is there more than one concept inside?"
    )


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parent != PACKAGE or p.stem != "__init__"], ids=name_of
)
def test_rooms_import_from_lower_floors_only(path):
    room = room_of(path)
    assert room in FLOORS, "a new room needs a floor in the house plan"
    for name in imports_of(parsed(path)):
        first, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if name == "speechinterp.corpora.utterance.Utterance" and room == "models":
            continue  # the noun that a model takes
        if first == "speechinterp" and other in FLOORS and other != room:
            assert FLOORS[other] < FLOORS[room], f"{room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_transformers_is_imported_by_models_only(path):
    if room_of(path) != "models":
        assert not [name for name in imports_of(parsed(path)) if name.split(".")[0] == "transformers"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_prints(path):
    if room_of(path) != "cli":
        calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]


def test_importing_everything_leaves_matplotlib_and_torchaudio_out():
    names = [
        ".".join(("speechinterp", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in MODULES
        if path.stem != "__main__"
    ]
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        "print(*{'matplotlib', 'torchaudio'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


def test_the_start_imports_nothing_heavy():
    code = (
        "import speechinterp, sys; print(*{'torch', 'transformers', 'pandas', 'librosa'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_every_public_name_is_there():
    for name in speechinterp.__all__:
        assert getattr(speechinterp, name) is not None
    assert set(dir(speechinterp)) == set(speechinterp.__all__)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = speechinterp.no_such_thing


def tracked_texts() -> dict[str, str]:
    """Return the text files under version control, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = {}
    for name in listed.stdout.decode().split("\0"):
        if name and (CHECKOUT / name).is_file():
            try:
                texts[name] = (CHECKOUT / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return texts


@in_checkout
def test_no_file_holds_a_path_of_somebodys_machine():
    private = re.compile(r"(?<![\w.])/(?:work|root|home|Users|opt|mnt|scratch)/\w")
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in tracked_texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if private.search(line)
    ]
    assert found == []


@in_checkout
def test_the_version_is_in_one_place():
    version = re.compile(rf"(?<![\d.=<>~]){re.escape(speechinterp.__version__)}(?![\d.])")
    places = [
        "pyproject.toml",
        "README.md",
        "CITATION.cff",
        "Makefile",
        "docs/conf.py",
        "docs/installation.md",
    ]
    assert [name for name in places if version.search((CHECKOUT / name).read_text(encoding="utf-8"))] == []
    assert f'__version__ = "{speechinterp.__version__}"' in (PACKAGE / "__init__.py").read_text(
        encoding="utf-8"
    )


@in_checkout
def test_the_readme_names_what_there_is():
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    assert {language for language, _ in blocks} == {"sh", "python"}
    shell = "\n".join(text for language, text in blocks if language == "sh")
    targets = set(
        re.findall(r"^(\w+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert {"demo", "test"} <= set(re.findall(r"^make (\w+)", shell, flags=re.MULTILINE)) <= targets
    for text in (text for language, text in blocks if language == "python"):
        names = {
            node.attr
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "si"
        }
        assert names <= set(speechinterp.__all__)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme):
        assert (CHECKOUT / link).exists(), link
