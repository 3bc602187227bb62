from husai_core.testing import metric_contract

test_contract = metric_contract("acme_concentration")
