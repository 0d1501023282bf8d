"""Run the command line as ``python -m speechinterp``."""

from speechinterp.cli import app

app(prog_name="speechinterp")
