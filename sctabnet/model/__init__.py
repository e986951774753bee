"""A trained model: network, vocabulary, labels, and its folder on disk."""
