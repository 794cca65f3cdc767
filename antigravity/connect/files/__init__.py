"""Editors of configuration files that keep comments, order and spelling."""
