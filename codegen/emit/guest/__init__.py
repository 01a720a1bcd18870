"""The package that a guest in Python imports, `wit_world`: its names are those of componentize-py."""
