"""Components in Python run from their source, in this process: for tests, development and debugging.

Behind the same ports as compiled ones (`runtime.ports.guest`), so the engine that drives them is the real one. Nothing
isolates such code: it can reach whatever the process can. Production deploys what `obelisk build` makes.
"""
