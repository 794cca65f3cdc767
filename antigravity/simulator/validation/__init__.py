"""What each service refuses, with its own error messages; pure."""
