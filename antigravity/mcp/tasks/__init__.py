"""Calls that continue as tasks after their response: the tasks, their limits, their methods."""
