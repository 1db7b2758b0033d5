"""Folds the whole log with every service's pure domain: state at an instant, what-if.

Imports `services.*.domain` and nothing else of them; only audit's `main` and the command line
import this package (DESIGN, Layout). Proving and telling a timeline need no folding: audit does.
"""
