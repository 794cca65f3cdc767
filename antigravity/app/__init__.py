"""The composition root: builds the gateway from the other rooms and runs it as a service."""
