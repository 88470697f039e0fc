"""What a machine, a container and a cluster run, tried as far as one machine without a cloud can (``nox -s infra``)."""
