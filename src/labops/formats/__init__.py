"""Text to values and back: pure, byte-exact, no clock, disk, network or environment."""
