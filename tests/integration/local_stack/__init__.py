"""The local stack on real processes: starting, crashing, coming back, leaving nothing behind."""
