"""`bihuan demo`: one story and a day's crowd through the whole system, on a stepped clock."""
