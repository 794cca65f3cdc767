"""What happened to every request: rows, sums by hour, and queries, in a database in the home."""
