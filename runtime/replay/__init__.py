"""The pure replay machine: a guest's commands against the recorded history."""
