"""Where tokens are kept: the contract, the registry of stores, and their async face."""
