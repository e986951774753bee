"""Lightning: masked pretraining and learning labels."""
