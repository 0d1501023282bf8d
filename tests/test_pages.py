"""Every example of the pages and of the README runs as it is printed, and every command that they show is one."""

from __future__ import annotations

import doctest
import re
import shlex
import textwrap
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import soundfile
import typer
from matplotlib import pyplot

import speechinterp as si
from speechinterp import errors
from speechinterp.cli import app
from speechinterp.embedded import embedded_models
from speechinterp.errors import SpeechInterpError

CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
OURS = (DOCS / "_build", DOCS / "practical")  # built, and tested by the build
PAGES = {
    page.relative_to(CHECKOUT).with_suffix("").as_posix(): page.read_text(encoding="utf-8")
    for page in sorted(
        [*DOCS.rglob("*.md"), *CHECKOUT.glob("README.md"), *CHECKOUT.glob("recipes/README.md")]
    )
    if not any(page.is_relative_to(folder) for folder in OURS)
}
BLOCK = re.compile(r"^( *)```(python|sh|text)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
RAISED = re.compile(r"(\w+(?:Error|Warning)): ")
LONG = {
    f"docs/{page}"
    for page in (
        "methods/attribution", "methods/ctc-lens", "methods/description-length", "methods/faithfulness",
        "methods/probing", "methods/shapley", "methods/similarity", "methods/tuned-lens",
        "tutorial-2025", "index", "gallery/whisper-word",
    )
}  # fmt: skip
REAL = {"docs/gallery/whisper-word"}
ALIGNS = re.compile(r"(si\.align|align_corpus)\((?!si\.load_model\(\"demo/whisper)")
PRINTS_ARE_EXACT = {"docs/concepts/models"}
pytestmark = [
    pytest.mark.skipif(not DOCS.is_dir(), reason="the tests stand alone here, without the pages"),
    pytest.mark.filterwarnings("ignore::speechinterp.similarity.SimilarityWarning"),
    pytest.mark.filterwarnings("ignore::speechinterp.align.AlignmentWarning"),
]


def blocks(text: str, *languages: str) -> list[tuple[str, str]]:
    """Return language and text of the blocks of a page."""
    found = [(language, textwrap.dedent(body)) for _, language, body in BLOCK.findall(text)]
    return [(language, body) for language, body in found if language in languages]


def one_line(text: str) -> str:
    return " ".join(text.split())


def plain(message: str, folder: Path) -> str:
    """Return a message on one line, without the folder of the test and without decimals, which machines round."""
    return re.sub(r"\d+\.\d+", "0.0", one_line(message.replace(f"{folder}/", "")))


def timit(folder: Path) -> None:
    """Lay out two sentences as TIMIT does, to stand for the corpus that a page names."""
    place = folder / "TIMIT" / "TRAIN" / "DR1" / "FCJF0"
    place.mkdir(parents=True)
    for name in ("SA1", "SX37"):
        soundfile.write(place / f"{name}.WAV", si.load_corpus("demo")[0].waveform(16000), 16000)
        (place / f"{name}.PHN").write_text(
            "0 3050 h#\n3050 4559 sh\n4559 5723 ix\n5723 6642 hv\n6642 8772 eh\n"
        )
        (place / f"{name}.WRD").write_text("3050 5723 she\n5723 8772 had\n")
        (place / f"{name}.TXT").write_text("0 8772 She had.\n")


def run(page: str, text: str, folder: Path) -> str:
    """Run the blocks of a page one after the other; a block before a message must raise it or warn so."""
    space: dict[str, object] = {"__name__": page}
    code = ""
    queue = blocks(text, "python", "text")
    for at, (language, body) in enumerate(queue):
        if language != "python":
            continue
        if body.startswith(">>>"):
            example = doctest.DocTestParser().get_doctest(body, {}, page, None, 0)
            assert not doctest.DocTestRunner().run(example).failed
            continue
        after = queue[at + 1][1] if at + 1 < len(queue) and queue[at + 1][0] == "text" else ""
        code += body
        expected = RAISED.match(after)
        compiled = compile(
            body.replace("/data/TIMIT", str(folder / "TIMIT")), f"{page}.md, block {at + 1}", "exec"
        )
        if not expected:
            exec(compiled, space)
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                exec(compiled, space)
                said = [f"{each.category.__name__}: {each.message}" for each in caught]
            except SpeechInterpError as error:
                said = [f"{type(error).__name__}: {error}"]
        assert plain(after, folder) in [plain(each, folder) for each in said]
    return code


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.long] * (page in LONG) + [pytest.mark.real] * (page in REAL))
        for page, text in PAGES.items()
        if blocks(text, "python")
    ],
)
def test_examples_run(page: str, request, monkeypatch, tmp_path: Path, capsys) -> None:
    text = PAGES[page]
    for model in re.findall(r'"demo/([\w-]+)"', text):
        if (CHECKOUT / "data" / "models").is_dir() and f"demo/{model}" not in {
            *embedded_models(),
            "demo/untrained",
        }:
            pytest.skip(f"demo/{model} is not in data/models")
    if ALIGNS.search(text) and "demo/wav2vec2" in text and not find_spec("torchaudio"):
        pytest.skip("CTC alignment needs torchaudio")
    monkeypatch.chdir(tmp_path)
    if page.startswith("docs/methods"):  # what probes say of rare labels, as their pages do
        warnings.filterwarnings("ignore", category=si.probing.LeftOutWarning)
    if page in REAL:
        assets = request.getfixturevalue("assets")
        warnings.simplefilter("ignore")
        text = text.replace("openai/whisper-tiny.en", f"{assets}/models/whisper-tiny.en")
        text = text.replace("timit:/data/TIMIT", f"timit:{assets}/corpora/timit-sample")
        text = text.replace("steps=16, tolerance=0.02", "steps=4, tolerance=None")  # two minutes less
    elif "/data/TIMIT" in text:
        timit(tmp_path)
    code = run(page, text, tmp_path)
    pyplot.close("all")
    if page in PRINTS_ARE_EXACT:
        assert capsys.readouterr().out.splitlines() == re.findall(
            r"^print\(.*\)  # (.*)$", code, re.MULTILINE
        )


@pytest.mark.parametrize("page", PAGES)
def test_no_block_escapes(page: str) -> None:
    fences = set(re.findall(r"^ *```([\w{}.-]+)", PAGES[page], re.MULTILINE))
    assert fences <= {"python", "sh", "r", "text", "{eval-rst}", "{toctree}", "{include}"}


def commands(text: str) -> list[str]:
    """Return the commands that a page shows, in blocks and in lines."""
    shell = "\n".join(body for _, body in blocks(text, "sh")).replace("\\\n", " ")
    inline = re.findall(r"`((?:speechinterp|python recipes/)[^`]+)`", re.sub(BLOCK, "", text))
    lines = [*shell.splitlines(), *map(one_line, inline)]
    return [line for line in lines if re.match(r"(speechinterp|python recipes/\S+\.py)( |$)", line)]


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if commands(text)])
def test_commands_are_understood(page: str) -> None:
    group = typer.main.get_command(app)
    for line in commands(PAGES[page]):
        words = shlex.split(line.removesuffix("&").strip(), comments=True)
        if "..." in line or "…" in line:
            continue
        if words[0] == "python":
            if (CHECKOUT / "recipes").is_dir():
                recipe = CHECKOUT / words[1]
                assert recipe.is_file(), line
                known = recipe.read_text(encoding="utf-8") + (CHECKOUT / "recipes/study.py").read_text(
                    "utf-8"
                )
                for option in (word for word in words if word.startswith("--") and word != "--help"):
                    plain_name = option.removeprefix("--").replace("-", "_")
                    assert re.search(rf'"{option}"|\b{plain_name}=', known), f"{line}: no option {option}"
            continue
        try:
            name, command, rest = group.resolve_command(typer.Context(group), words[1:])
            assert command is not None
            command.make_context(name, rest)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


def test_every_error_and_warning_has_its_place() -> None:
    classes = {name for name in errors.__all__ if name.endswith("Error")} - {"SpeechInterpError"}
    assert {f"docs/errors/{name}" for name in classes} | {"docs/errors/warnings", "docs/errors/index"} == {
        page for page in PAGES if page.startswith("docs/errors/")
    }
    package = Path(si.__file__).parent
    named = re.findall(
        r"^class (\w+Warning)\(", "\n".join(p.read_text() for p in package.rglob("*.py")), re.MULTILINE
    )
    assert set(named) == set(re.findall(r"^## (\w+Warning)$", PAGES["docs/errors/warnings"], re.MULTILINE))


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/how-to/")])
def test_answers_are_short(page: str) -> None:
    for _, body in blocks(PAGES[page], "python"):
        assert len([line for line in body.splitlines() if line.strip()]) <= 10, body
