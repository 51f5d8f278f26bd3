"""Small helpers that know nothing of swarms: `tasks` (supervision), `backoff`."""
