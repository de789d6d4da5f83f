"""One loop and one recipe that train a batch of networks."""
