"""Feedback and survey: the only door out; it tells the customer, asks once, hears the answer."""
