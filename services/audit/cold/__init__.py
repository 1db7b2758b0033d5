"""Cohorts that nothing touches any more: out of PostgreSQL, into files anybody can read."""
