"""The published language: what services tell each other, as pydantic models and nothing else."""
