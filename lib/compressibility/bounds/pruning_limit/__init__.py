"""The pruning limit: cones that meet, the sublevel set as a cone, limits, and exact costs."""
