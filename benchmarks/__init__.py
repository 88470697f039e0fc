"""What does a relayed gibibyte, a login and an idle session cost? Measured beside rivals, in one run."""
