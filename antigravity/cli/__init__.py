"""``antigravity …``: commands for people, one module for each group."""
