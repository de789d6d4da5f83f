"""A pruned layer: dice, masks and mixtures (``mixtures``); samples; promises to the network."""
