"""TypeScript of WIT packages: types, and clients over HTTP."""
