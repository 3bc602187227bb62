"""What tests of HUSAI and of its plugins stand on: a model that is ready at once."""
