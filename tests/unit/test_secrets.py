"""Texts that look like keys, and texts that do not."""

from __future__ import annotations

import pytest

from labops.formats.secrets import find_secrets

KEY_ID = "AKIA" + "Q2X7" * 4
SECRET = "wJalrXUtnF3MI/K7MDENG/bPxRf1CYzzzz9KEY00"
BEGIN = "-----BEGIN "


@pytest.mark.parametrize(
    ("path", "text", "lines"),
    [
        ("a.env", f"AWS_ACCESS_KEY_ID={KEY_ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\n", [2]),
        ("a.py", f"boto3.client('s3', '{KEY_ID}',\n  '{SECRET}')\n", [2]),
        ("a.json", f'{{"secretAccessKey": "{SECRET}"}}', [1]),
        ("c.ini", f"x\naws_secret_access_key = {SECRET}\n", [2]),
        ("t.env", f"id=ASIA{'Q2X7' * 4}\nkey={SECRET}\n", [2]),
        ("id_rsa", BEGIN + "RSA PRIVATE KEY-----\nabc\n", [1]),
        ("k.pem", "x\n" + BEGIN + "PRIVATE KEY-----\n", [2]),
        ("k.asc", BEGIN + "PGP PRIVATE KEY BLOCK-----\n", [1]),
        (".dvc/config", "['remote \"s\"']\n    secret_access_key = abc\n    password = x\n", [2, 3]),
        ("sub/.dvc/config", "    account_key = abc\n", [1]),
    ],
)
def test_found(path, text, lines):
    found = find_secrets(path, text)
    assert [secret.line for secret in found] == lines
    assert not any(SECRET in secret.what for secret in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", f"key id {KEY_ID} alone opens nothing"),
        ("docs.md", "AKIA" + "IOSFODNN7EXAMPLE\nwJalrXUtnFEMI" + "/K7MDENG/bPxRfiCYEXAMPLEKEY\n"),
        ("lock", f"{KEY_ID}\n" + "0123456789abcdef0123456789abcdef01234567\n"),
        ("a.py", "secret_access_key = os.environ['KEY']\n"),
        ("cert.pem", BEGIN + "CERTIFICATE-----\n"),
        ("key.pub", BEGIN + "PUBLIC KEY-----\n"),
        (".dvc/config", "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://b\n    profile = lab\n"),
        (".dvc/config", "    password =\n"),
        ("other/config", "    password = x\n"),
        ("empty", ""),
    ],
)
def test_not_found(path, text):
    assert find_secrets(path, text) == ()
