"""Pages: results on one HTML page that needs nothing but itself."""

from speechinterp.report.page import (
    Code,
    Heading,
    Paragraph,
    Picture,
    Record,
    Section,
    Table,
    beginning,
    write_report,
)
from speechinterp.report.player import Player, Row
from speechinterp.report.results import write_results_report
from speechinterp.report.study import probe_answer, write_probe_report

__all__ = [
    "Code",
    "Heading",
    "Paragraph",
    "Picture",
    "Player",
    "Record",
    "Row",
    "Section",
    "Table",
    "beginning",
    "probe_answer",
    "write_probe_report",
    "write_report",
    "write_results_report",
]
