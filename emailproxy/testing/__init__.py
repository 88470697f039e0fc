"""What do we ship for tests, ours and strangers'? A store's contract, a simulated mail provider, protocol dialogues."""
