"""Tests of what other processes use to ask a running proxy."""
