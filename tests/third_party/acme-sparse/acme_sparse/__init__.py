"""What Acme adds to HUSAI."""
