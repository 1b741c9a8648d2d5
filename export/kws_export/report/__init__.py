"""The report: a page of HTML and its twin in Markdown, made from figures alone. Neither needs TensorFlow."""

from kws_export.report.markdown import render_markdown
from kws_export.report.page import render_html
from kws_export.report.verdict import verdict

__all__ = ["render_html", "render_markdown", "verdict"]
