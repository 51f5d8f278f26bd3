"""Docker's JSON, the one place: field names, durations, timestamps, quirks, status codes."""
