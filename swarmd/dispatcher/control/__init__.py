"""What the leader decides: passes over a view, run by one loop."""
