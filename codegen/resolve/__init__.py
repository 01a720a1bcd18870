"""From parsed files to one Resolution, or to diagnostics."""
