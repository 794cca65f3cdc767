"""Write a script in each protocol, whole or as a stream; pure."""
