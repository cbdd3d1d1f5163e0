"""The only importers of foreign I/O; foreign errors are translated here."""
