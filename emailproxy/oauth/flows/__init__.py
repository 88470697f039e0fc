"""OAuth 2.0 grants: one file each, found by the name that ``oauth2_flow`` gives (`emailproxy.oauth.flows.registry`)."""
