"""Pages: results on one HTML page that needs nothing but itself."""

from speechinterp.report.page import Heading, Paragraph, Picture, Record, Table, write_report
from speechinterp.report.study import write_probe_report

__all__ = ["Heading", "Paragraph", "Picture", "Record", "Table", "write_probe_report", "write_report"]
