"""sla_watch keeps every promise's time: it starts clocks, warns, judges, and corrects itself."""
