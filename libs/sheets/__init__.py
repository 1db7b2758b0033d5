"""A table of figures, and its four written forms: JSON, CSV, XLSX and text; the same bytes ever."""

from libs.sheets.sheet import Cell, Column, Share, Sheet, share
from libs.sheets.written import FORMATS, Format, written

__all__ = ["FORMATS", "Cell", "Column", "Format", "Share", "Sheet", "share", "written"]
