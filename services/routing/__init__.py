"""Routing: who works on a complaint, who owns it, and what they find, promise and answer."""
