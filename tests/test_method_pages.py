"""The examples of the pages on probing, similarity and lenses run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGES = CHECKOUT / "docs" / "methods"
QUICK = (
    "abx", "attention-probes", "cca", "cka", "control-tasks", "decoder-lens", "encoding", "logit-lens", "pair-probes",
    "procrustes", "regression", "rsa", "scalar-mix", "statistics", "transfer",
)  # fmt: skip
SLOW = (
    "attribution", "ctc-lens", "description-length", "faithfulness", "probing", "shapley", "similarity", "tuned-lens",
)  # fmt: skip
pytestmark = [
    pytest.mark.skipif(not PAGES.is_dir(), reason="the tests stand alone here, without the pages"),
    pytest.mark.filterwarnings("ignore::speechinterp.similarity.SimilarityWarning"),
    pytest.mark.filterwarnings("ignore:Left out:UserWarning"),
    pytest.mark.filterwarnings("ignore:All folds:UserWarning"),
]


@pytest.mark.parametrize("page", [*QUICK, *(pytest.param(page, marks=pytest.mark.long) for page in SLOW)])
def test_examples_run(page: str, monkeypatch, tmp_path: Path) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    for model in re.findall(r'load_model\("demo/(\w+)"\)', "".join(blocks)):
        if model != "untrained" and not (CHECKOUT / "data" / "models" / model).is_dir():
            pytest.skip(f"demo/{model} is not in data/models")
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), f"{page}.md", "exec"), {})
