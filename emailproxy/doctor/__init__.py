"""Why does a login not work? Each step of one, tried in turn, with its time, what was said, and what to do.

Nothing here prints: steps tell `emailproxy.doctor.findings.Finding` values. Nothing is changed or used up: what a login
would write goes the way that a login's goes, and whatever would decide something (a first mail password, a new
authorisation) is left to a real login.
"""
