"""Figures as ratios from one run; not part of `make test` (see docs/benchmarks.md)."""
