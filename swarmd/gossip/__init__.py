"""SWIM membership among all nodes; carries liveness, which may only subtract."""
