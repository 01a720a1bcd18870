"""The client of the gateway's HTTP interface; `obelisk.client` has its public names."""
