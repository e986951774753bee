"""Numbers about genes."""
