"""What tests of several folders share: pytest puts this folder on the path, and nothing installs it."""
