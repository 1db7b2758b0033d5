"""A complaint goes on record once, and closes only when the loop is closed."""
