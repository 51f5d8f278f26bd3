"""The manager's mind (`control`, `scheduler`) and its side of the agents."""
