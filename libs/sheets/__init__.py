"""A table of figures, and its four written forms: JSON, CSV, XLSX and text; the same bytes ever."""

from libs.sheets.sheet import Cell, Column, Share, Sheet, share
from libs.sheets.written import FORMATS, ROWS_MAX, Format, TooLong, write, written

__all__ = [
    "FORMATS",
    "ROWS_MAX",
    "Cell",
    "Column",
    "Format",
    "Share",
    "Sheet",
    "TooLong",
    "share",
    "write",
    "written",
]
