"""Layers and networks in plain torch: gene tokens, the blocks of TabNet, the dense path."""
