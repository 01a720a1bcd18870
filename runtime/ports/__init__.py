"""The seams: what the core needs of the outside world, as Protocols, and the records that cross them."""
