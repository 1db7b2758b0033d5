"""Audit on real PostgreSQL and Kafka."""
