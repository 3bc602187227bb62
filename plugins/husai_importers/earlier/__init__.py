"""The JSON that HUSAI's earlier scripts wrote, one module for every kind of file."""
