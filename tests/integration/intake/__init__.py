"""Intake on a real database."""
