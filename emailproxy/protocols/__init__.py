"""IMAP, POP3 and SMTP up to the end of login, sans-IO: octets in, events out.

Each protocol has two machines that know nothing of each other. The *downstream* machine is the mail server that the
client sees; the *upstream* machine is the client that the real server sees. Nothing here knows of sockets, TLS, time,
logs or randomness, so all of it can be fed octet by octet.
"""
