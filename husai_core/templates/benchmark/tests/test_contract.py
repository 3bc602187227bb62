from husai_core.testing import benchmark_contract

test_contract = benchmark_contract("myplugin")
