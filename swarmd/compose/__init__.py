"""Compose files to service specs."""
