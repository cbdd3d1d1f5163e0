"""labops: the data system for small and medium university labs."""

__version__ = "0.1.0"
