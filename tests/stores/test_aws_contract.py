"""AWS, through the front door and with the real SDK: the contract on both emulators, in both shapes."""

from __future__ import annotations

import dataclasses

import pytest

from emailproxy.store.base import CacheStore, Record
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import StoreContract

from .aws_emulators import Emulator, aws_environment, emulator, ministack, moto, place
from .conftest import cannot

try:
    import boto3  # noqa: F401
except ImportError:
    cannot("boto3 is not installed (pip install 'emailproxy-cloud[aws]')")

__all__ = ["aws_environment", "emulator", "ministack", "moto", "place"]


class TestOneSecretPerAccount(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, emulator: Emulator, place: str) -> None:
        self.emulator, self.place = emulator, place + "/"

    def open_store(self) -> CacheStore:
        return self.emulator.open(self.place)

    def kept(self, record: Record) -> Record:
        return lasting(record)


class TestOneDocument(TestOneSecretPerAccount):
    @pytest.fixture(autouse=True)
    def _place(self, emulator: Emulator, place: str) -> None:
        self.emulator, self.place = emulator, place

    def kept(self, record: Record) -> Record:
        return dataclasses.replace(record, refresh_token_issued=None)
