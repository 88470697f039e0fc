"""Which flow does ``oauth2_flow`` name?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from emailproxy.oauth.flows.authorization_code import AuthorizationCode
from emailproxy.oauth.flows.base import Flow
from emailproxy.oauth.flows.client_credentials import ClientCredentialsGrant
from emailproxy.oauth.flows.device import Device
from emailproxy.oauth.flows.password import Password
from emailproxy.oauth.flows.service_account import ServiceAccount

__all__ = ["FLOWS"]

_ALL: Final[tuple[Flow, ...]] = (AuthorizationCode(), ClientCredentialsGrant(), Device(), Password(), ServiceAccount())

FLOWS: Final[Mapping[str, Flow]] = MappingProxyType({flow.name: flow for flow in _ALL})
"""By name. A new grant is one file and one entry here."""
