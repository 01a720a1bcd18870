"""The command line: `main` loads one module per command, and only when it is used."""
