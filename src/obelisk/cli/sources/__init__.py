"""Where components come from: files, folders, web addresses, OCI registries, releases on GitHub."""
