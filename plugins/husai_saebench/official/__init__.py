"""What runs beside the official code, in a process (and, where asked for, an interpreter) of its own.

Nothing here imports HUSAI: the interpreter that has `sae-bench` need not have it. `serve` is the door.
"""
