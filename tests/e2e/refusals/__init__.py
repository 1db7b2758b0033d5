"""What the running system refuses, and what it never tells."""
