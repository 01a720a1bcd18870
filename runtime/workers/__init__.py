"""What one attempt of an activity or one run of a workflow does."""
