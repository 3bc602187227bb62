"""What tests of HUSAI and its plugins stand on: contracts that a plugin proves, and a model that is ready at once."""

from husai_core.testing.architectures import architecture_contract

__all__ = ["architecture_contract"]
