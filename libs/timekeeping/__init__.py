"""Time as the domain sees it: the clock port, Chinese working days, and how limits are counted."""
