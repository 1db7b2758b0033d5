"""A table of figures in its four written forms."""
