"""Keys of clients: what each may do, its limits and its budgets."""
