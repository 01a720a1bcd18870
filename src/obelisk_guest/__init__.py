"""What guests in Python are written with: a library for workflows and activities that run as WebAssembly components.

`obelisk_guest.workflow` is for workflows, `obelisk_guest.http` and `obelisk_guest.httpx` are for activities, and
`obelisk_guest.logging` is for both. Import these modules: what a component imports of them decides what it imports
from the engine. They reach the engine through `wit_world.imports` alone, and contain nothing that needs WebAssembly.
"""
