"""The package under test is installed into an environment of its own; its tests are collected there and not here."""

collect_ignore = ["acme-sparse"]
