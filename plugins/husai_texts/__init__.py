"""Text sets that HUSAI ships readers for; the texts themselves come from other packages, or from the user."""
