"""Is the proxy in this container alive? Exit status 0 if /livez says so. Needs no shell and nothing but Python.

The port is 9125, as in ``metrics_listen = 0.0.0.0:9125``, or the first argument.
"""

import http.client
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 9125
SECONDS = 4
"""Less than the 5 after which the health check counts as failed anyway, so that the reason is printed."""

try:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
    connection.request("GET", "/livez")
    status = connection.getresponse().status
except OSError as error:
    sys.exit(f"no answer at 127.0.0.1:{PORT}: {error}; is metrics_listen = 0.0.0.0:{PORT} in [emailproxy]?")
sys.exit(0 if status == http.client.OK else f"/livez answers {status}")
