"""What the keeper of a service's records allows and what it refuses, on a real PostgreSQL."""
