from husai_core.testing import architecture_contract

test_contract = architecture_contract("myplugin")
