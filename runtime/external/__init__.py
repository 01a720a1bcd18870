"""Attempts of activities that workers outside the engine run: who serves what, what is handed out, how it ends."""
