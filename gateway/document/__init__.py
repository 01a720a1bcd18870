"""The control plane as data, and the OpenAPI document made of it."""
