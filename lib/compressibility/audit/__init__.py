"""Hold networks against what the theorems ask of them."""
