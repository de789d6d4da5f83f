"""What executes the chapters and makes the book of them; no page imports it."""
