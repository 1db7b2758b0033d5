"""What makes the log provable, and how it is told to people. Pure."""
