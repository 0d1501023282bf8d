"""The examples of the pages on models run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "concepts"


@pytest.mark.parametrize("page", ["models", "padding"])
def test_examples_run(page, capsys):
    path = PAGES / f"{page}.md"
    if not path.exists():
        pytest.skip("the tests stand alone here, without the pages")
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    code = "\n".join(blocks)
    exec(compile(code, path.name, "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
