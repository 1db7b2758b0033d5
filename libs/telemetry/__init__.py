"""Logs, traces and metrics that cannot carry personal data."""
