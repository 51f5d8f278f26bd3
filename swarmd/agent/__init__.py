"""The worker's side: assignments in, containers driven, statuses out."""
