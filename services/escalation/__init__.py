"""Escalation: cases of the 10015 desk, requested, worked and decided, and compensation granted."""
