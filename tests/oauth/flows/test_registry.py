from __future__ import annotations

from emailproxy.oauth.flows.registry import FLOWS


def test_flows_by_name() -> None:
    assert sorted(FLOWS) == ["authorization_code", "client_credentials", "device", "password", "service_account"]
    assert {name: flow.name for name, flow in FLOWS.items()} == {name: name for name in FLOWS}


def test_only_flows_with_a_judge_accept_a_new_password() -> None:
    judges = {name: (flow.confirms_password, flow.provider_checks_password) for name, flow in FLOWS.items()}
    assert judges == {
        "authorization_code": (True, False),
        "client_credentials": (False, False),
        "device": (False, False),
        "password": (False, True),
        "service_account": (False, False),
    }


def test_flows_that_ask_a_person() -> None:
    assert {name for name, flow in FLOWS.items() if flow.interactive} == {"authorization_code", "device"}
