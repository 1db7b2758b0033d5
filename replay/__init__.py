"""Folds the whole log with every service's pure domain: state at an instant, and what-if.

Knows `services.*.domain` and `services.*.reactions`, contracts and what those rest on; no database,
no broker, no web, no file, no thread: import-linter checks it, and a test runs it without them.
"""
