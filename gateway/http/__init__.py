"""HTTP itself: connections, the protocol, the gate, requests and answers."""
