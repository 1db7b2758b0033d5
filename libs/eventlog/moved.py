"""What a decision rested on is not so any more: it is made again."""


class Moved(Exception):
    """Something this decision rested on has changed since it was read; decide again."""
