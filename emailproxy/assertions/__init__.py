"""Signed statements of who the proxy is, made by others: ``managed-identity``, ``workload-identity``, ``aws``, …."""
