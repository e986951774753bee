"""What is predicted from an embedding: hidden genes, labels."""
