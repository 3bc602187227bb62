"""The gate: judges an evidence bundle by a policy and derives one exit code, without torch or plugins.

`audit.audit` finds what is wrong with a bundle, `judge.judge` answers a policy's questions on it, `pipeline`
does both for a folder, and all of `reporters`, `report` and `explain` are views of the decision.
"""
