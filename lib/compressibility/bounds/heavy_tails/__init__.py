"""Heavy tails: where SGD's tail index is known (``regression``), what sparsity is worth."""
