"""``python -m emailproxy`` is the command ``emailproxy``."""

from emailproxy.cli import main

if __name__ == "__main__":
    main()
