"""How people meet labops in a terminal: parse, call one verb, show."""
