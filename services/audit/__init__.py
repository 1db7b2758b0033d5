"""The long-term log: every byte kept, checked on arrival, told as a timeline, proven again."""
