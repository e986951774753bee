"""From files to minibatches: corpora of any size, in an order that can be resumed anywhere."""
