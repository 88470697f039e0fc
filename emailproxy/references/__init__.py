"""Configuration values that stand elsewhere: ``azure:…``, ``aws:…``, ``gcp:…``, ``file:…``, ``env:…``."""
