"""Built-in stores, one file each; they come in through the entry-point group ``emailproxy.stores``."""
