"""The other end of the control channel: how another process asks a running proxy, and hears what happens in it."""
