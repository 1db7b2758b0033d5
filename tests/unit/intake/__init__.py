"""What intake promises, rule by rule."""
