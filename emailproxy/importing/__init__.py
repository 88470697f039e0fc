"""How do refresh tokens of other programs become records? A file for each program, and one that seals."""
