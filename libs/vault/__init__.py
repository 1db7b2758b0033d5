"""Personal data sealed at the door, opened with a purpose, erased without breaking the log."""
