"""How an account gets its access token: flows, consent, sealing, and the broker that joins them."""
