"""What requests cost: a price list that ships with the gateway, and the arithmetic."""
