"""Building blocks that know nothing of complaints."""
