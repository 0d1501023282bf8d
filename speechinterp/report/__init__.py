"""Pages: results on one HTML page that needs nothing but itself."""

from speechinterp.report.page import Heading, Paragraph, Picture, Record, Table, write_report

__all__ = ["Heading", "Paragraph", "Picture", "Record", "Table", "write_report"]
