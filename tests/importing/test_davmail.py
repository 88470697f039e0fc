"""Files as DavMail writes them. The encrypted token was made with Java 17's PBEWithHmacSHA256AndAES_128."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.importing.davmail import DEFAULT_CLIENT_ID, read
from emailproxy.importing.tokens import ForeignToken, ForeignTokenError
from emailproxy.secret import Secret

PASSWORD = Secret("correct horse")
ENCRYPTED = "{AES}lqluWOd1Lly3kc2Wf9bhPyWWDTMSQTAN11NLm3d5mQk="
TOKEN = "0.AXoA-old-refresh_token"
TOKEN_FILE = f"""#Oauth tokens
#Sun Nov 22 19:45:50 UTC 2026
contoso\\\\bob=plain\\=token\\: x
ada@example.com={ENCRYPTED.replace("=", chr(92) + "=")}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def opened(token: ForeignToken, password: Secret = PASSWORD) -> str | None:
    secret = token.open(password)
    return secret.reveal() if secret is not None else None


def test_a_token_file(tmp_path: Path) -> None:
    bob, ada = read([written(tmp_path / "tokens", TOKEN_FILE)])
    assert (bob.account, opened(bob), bob.needs_its_password) == ("contoso\\bob", "plain=token: x", False)
    assert (ada.account, opened(ada), ada.needs_its_password) == ("ada@example.com", TOKEN, True)
    assert ada.client_id is None, "a token file does not tell"
    assert TOKEN not in repr(ada)


def test_settings(tmp_path: Path) -> None:
    text = f"davmail.mode=O365Manual\ndavmail.oauth.ada@example.com.refreshToken={ENCRYPTED}\n"
    [ada] = read([written(tmp_path / "davmail.properties", text)])
    assert (ada.account, opened(ada), ada.client_id) == ("ada@example.com", TOKEN, DEFAULT_CLIENT_ID)


def test_settings_that_name_a_token_file(tmp_path: Path) -> None:
    written(tmp_path / "tokens", TOKEN_FILE)
    text = "davmail.oauth.tokenFilePath=tokens\ndavmail.oauth.clientId=mine\n"
    tokens = read([written(tmp_path / "davmail.properties", text)])
    assert [token.client_id for token in tokens] == ["mine", "mine"]
    both = read([tmp_path / "tokens", tmp_path / "davmail.properties"])
    assert [token.account for token in both] == [token.account for token in tokens]
    assert all(token.where == str(tmp_path / "tokens") for token in tokens)


@pytest.mark.parametrize("password", ["", "wrong", "Correct horse", "correct horse "])
def test_a_wrong_password(tmp_path: Path, password: str) -> None:
    [_, ada] = read([written(tmp_path / "tokens", TOKEN_FILE)])
    assert ada.open(Secret(password)) is None


def test_many_wrong_passwords(tmp_path: Path) -> None:
    """One of 256 leaves a padding that looks right."""
    [_, ada] = read([written(tmp_path / "tokens", TOKEN_FILE)])
    assert not [number for number in range(600) if ada.open(Secret(f"wrong {number}"))]


def test_another_fingerprint(tmp_path: Path) -> None:
    text = f"davmail.oauth.fingerprint=0123456789abcdef\ndavmail.oauth.ada@example.com.refreshToken={ENCRYPTED}\n"
    [ada] = read([written(tmp_path / "davmail.properties", text)])
    assert ada.open(PASSWORD) is None


@pytest.mark.parametrize("value", ["{AES}", "{AES}no base64!", "{AES}c2hvcnQ="])
def test_a_damaged_token(tmp_path: Path, value: str) -> None:
    with pytest.raises(ForeignTokenError, match="damaged"):
        read([written(tmp_path / "tokens", f"ada@example.com={value}")])


def test_files_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(ForeignTokenError, match="persistToken"):
        read([written(tmp_path / "davmail.properties", "davmail.mode=O365\n")])
    with pytest.raises(ForeignTokenError, match="cannot be read: No such file"):
        read([tmp_path / "none"])
