"""Replicas of an earlier program's recipe, its defects included and named; nothing here is meant for new work."""
