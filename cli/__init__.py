"""`bihuan`: the command line, and the whole system on one machine."""
