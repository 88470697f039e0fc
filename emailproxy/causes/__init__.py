"""Why do logins fail in this field, and what is the one thing to do? One table for log lines, doctor and documentation.

Each row is a `emailproxy.causes.base.Cause`: words as somebody really got them, the advice, and where they were
published. Nothing here looks at a clock, a socket or a configuration.
"""
