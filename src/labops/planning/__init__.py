"""Deciding: two sides in, a plan out; pure functions over plain mappings."""
