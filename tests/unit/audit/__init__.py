"""Audit's pure parts."""
