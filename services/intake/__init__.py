"""Intake: the only door in; answers, closes and reopens, and nobody else does."""
