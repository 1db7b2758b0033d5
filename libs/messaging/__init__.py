"""Between a service's store and the log: relay, inbox, timers, parking, rebuild."""
