"""How programs are set up to use the gateway: the texts for the dashboard and the commands."""
