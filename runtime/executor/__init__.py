"""Claiming, running and watching executions."""
