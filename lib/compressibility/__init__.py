"""The science of the book: data, networks, compression and bounds; knows nothing of notebooks."""
