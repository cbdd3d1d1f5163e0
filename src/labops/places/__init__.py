"""Where bytes live, in our words: workspace, cache, remote, state."""
