"""The process that ``twistd`` runs: exit code, timer clock and interpreter settings."""
