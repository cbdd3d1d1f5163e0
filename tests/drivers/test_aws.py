"""Who we are for AWS: the same answer as botocore's, found without importing it where that is possible."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import botocore.exceptions
import botocore.session
import pytest

from labops.drivers import aws
from labops.drivers.aws import s3_access
from labops.errors import AccessDenied, InvalidInput, LabError, NotFound

CONFIG = """\
[default]
region = eu-central-1
[profile plain]
region = eu-west-1
endpoint_url = https://profile.example
[profile config-only]
aws_access_key_id = AKIACONFIG
aws_secret_access_key = CONFIGSECRET
[profile served]
services = lab
region=eu-north-1
s3 =
    addressing_style = virtual
    max_concurrent_requests = 20
[services lab]
s3 =
  endpoint_url = https://services.example
ec2 =
  endpoint_url = https://not.example
[profile process]
credential_process = {process}
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = plain
"""
CREDENTIALS = """\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = DEFAULTSECRET
[plain]
aws_access_key_id = AKIAPLAIN
aws_secret_access_key = PLAINSECRET%with=odd
aws_session_token = PLAINTOKEN
[served]
aws_access_key_id = AKIASERVED
aws_secret_access_key = SERVEDSECRET
[role]
aws_access_key_id = AKIAROLE
aws_secret_access_key = ROLESECRET
"""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    script = tmp_path / "process.py"
    script.write_text(
        "import json,datetime as d\n"
        "until=d.datetime.now(d.timezone.utc)+d.timedelta(hours=1)\n"
        "print(json.dumps(dict(Version=1,AccessKeyId='AKIAPROCESS',SecretAccessKey='S',Expiration=until.isoformat())))\n"
    )
    (tmp_path / "config").write_text(CONFIG.format(process=f"{sys.executable} {script}"))
    (tmp_path / "credentials").write_text(CREDENTIALS)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def _ours(options: dict[str, str]) -> tuple[str, str, str | None]:
    source = s3_access(options).keys
    assert source is not None
    keys = source()
    return keys.key_id, keys.secret, keys.token


def _theirs(profile: str | None) -> tuple[str, str, str | None]:
    found = botocore.session.Session(profile=profile).get_credentials().get_frozen_credentials()
    return found.access_key, found.secret_key, found.token


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("profile", [None, "plain", "config-only", "served", "process"])
@pytest.mark.parametrize(
    "env",
    [
        {},
        {"AWS_PROFILE": "plain"},
        {"AWS_PROFILE": "served", "AWS_DEFAULT_PROFILE": "plain"},
        {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "ENVSECRET"},
        {
            "AWS_ACCESS_KEY_ID": "AKIAENV",
            "AWS_SECRET_ACCESS_KEY": "E",
            "AWS_SESSION_TOKEN": "T",
            "AWS_PROFILE": "plain",
        },
    ],
)
def test_the_chain_is_botocores(profile: str | None, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert _ours({"profile": profile} if profile else {}) == _theirs(profile)


@pytest.mark.usefixtures("files")
def test_options_come_first_and_a_role_is_never_replaced_by_plain_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ENVSECRET")
    options = {"access_key_id": "AKIAOPTION", "secret_access_key": "O", "profile": "plain"}
    assert _ours(options) == ("AKIAOPTION", "O", None)
    source = s3_access({"profile": "role"}).keys
    assert isinstance(source, aws._BotocoreKeys)


@pytest.mark.usefixtures("files")
def test_where_s3_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (s3_access({}).endpoint, s3_access({}).region) == ("", "eu-central-1")
    plain = s3_access({"profile": "plain"})
    assert (plain.endpoint, plain.region, plain.addressing) == ("https://profile.example", "eu-west-1", "auto")
    served = s3_access({"profile": "served"})
    assert (served.endpoint, served.region, served.addressing) == ("https://services.example", "eu-north-1", "virtual")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://env.example")
    assert s3_access({"profile": "plain"}).endpoint == "https://env.example"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3env.example")
    assert s3_access({"profile": "plain"}).endpoint == "https://s3env.example"
    assert s3_access({"endpointurl": "https://option.example"}).endpoint == "https://option.example"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert s3_access({"profile": "plain"}).endpoint == ""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
    assert s3_access({"profile": "plain"}).region == "ap-northeast-1"
    monkeypatch.setenv("AWS_REGION", "ap-northeast-3")
    assert s3_access({"profile": "plain"}).region == "ap-northeast-3"
    assert s3_access({"profile": "plain", "region": "us-west-2"}).region == "us-west-2"


@pytest.mark.usefixtures("files")
def test_credentials_that_end_say_when_to_ask_again() -> None:
    source = s3_access({"profile": "process"}).keys
    assert source is not None
    until = source().expires_at
    assert until is not None
    assert until > datetime.now(UTC)
    plain = s3_access({"profile": "plain"}).keys
    assert plain is not None
    assert plain().expires_at is None


def test_files_may_be_named_by_the_remote(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=S\n")
    assert _ours({"credentialpath": str(tmp_path / "c")}) == ("AKIAFILE", "S", None)


def test_what_is_missing_or_broken_is_said_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    with pytest.raises(NotFound) as missing:
        s3_access({"profile": "nobody"})
    assert missing.value.code == "no-such-profile"
    with pytest.raises(AccessDenied) as half:
        s3_access({"secret_access_key": "HALFSECRET"})
    assert half.value.code == "no-credentials"
    assert "HALFSECRET" not in repr(half.value)
    (files / "credentials").write_text("aws_secret_access_key = BROKENSECRET\n")
    with pytest.raises(InvalidInput) as broken:
        s3_access({})
    assert broken.value.code == "bad-aws-config"
    assert "BROKENSECRET" not in repr(broken.value) + repr(broken.value.__cause__)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    source = s3_access({}).keys
    assert source is not None
    with pytest.raises(AccessDenied) as nobody:
        source()
    assert nobody.value.code == "no-credentials"


def test_anonymous_access_asks_nobody() -> None:
    assert s3_access({"allow_anonymous_login": "true"}).keys is None


CONFIGURATION_FAULTS = {
    "AliasConflictParameterError", "ApiVersionNotFoundError", "AwsChunkedWrapperError", "BaseEndpointResolverError",
    "BotoCoreError", "ChecksumError", "ConfigNotFound", "ConfigParseError", "DataNotFoundError",
    "EndpointProviderError", "EndpointResolutionError", "EndpointVariantError", "EventStreamError",
    "FlexibleChecksumError", "ImminentRemovalWarning", "InfiniteLoopConfigError", "InvalidChecksumConfigError",
    "InvalidConfigError", "InvalidDNSNameError", "InvalidDefaultsMode", "InvalidEndpointConfigurationError",
    "InvalidEndpointDiscoveryConfigurationError", "InvalidExpressionError", "InvalidHostLabelError",
    "InvalidIMDSEndpointError", "InvalidIMDSEndpointModeError", "InvalidMaxRetryAttemptsError",
    "InvalidProxiesConfigError", "InvalidRegionError", "InvalidRetryConfigurationError", "InvalidRetryModeError",
    "InvalidS3AddressingStyleError", "InvalidS3UsEast1RegionalEndpointConfigError",
    "InvalidSTSRegionalEndpointsConfigError", "MD5UnavailableError", "MissingDependencyException",
    "MissingParametersError", "MissingServiceIdError", "NoRegionError", "OperationNotPageableError",
    "PaginationError", "ParamValidationError", "RangeError", "ServiceNotInRegionError", "StubAssertionError",
    "StubResponseError", "UnStubbedResponseError", "UndefinedModelAttributeError", "UnknownClientMethodError",
    "UnknownEndpointError", "UnknownEndpointResolutionBuiltInName", "UnknownFIPSEndpointError", "UnknownKeyError",
    "UnknownParameterError", "UnknownRegionError", "UnknownServiceError", "UnknownServiceStyle",
    "UnknownSignatureVersionError", "UnknownTokenProviderError", "UnseekableStreamError",
    "UnsupportedOutpostResourceError", "UnsupportedS3AccesspointConfigurationError", "UnsupportedS3ArnError",
    "UnsupportedS3ConfigurationError", "UnsupportedS3ControlArnError", "UnsupportedS3ControlConfigurationError",
    "UnsupportedServiceProtocolsError", "UnsupportedSignatureVersionError", "UnsupportedTLSVersionWarning",
    "ValidationError", "WaiterConfigError", "WaiterError",
}  # fmt: skip
"""Botocore's exceptions that mean a wrong configuration (or cannot come from looking for credentials)."""


def test_every_exception_of_botocore_is_accounted_for() -> None:
    theirs = {
        name
        for name, value in vars(botocore.exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == "botocore.exceptions"
    }
    assert theirs - CONFIGURATION_FAULTS == set(aws.ACCOUNTED) & theirs
    for name in theirs:
        error = type(name, (Exception,), {})("SECRET")
        translated = aws.translate(error)
        assert isinstance(translated, LabError)
        assert "SECRET" not in f"{translated} {translated.hint}"


def test_plain_keys_load_neither_botocore_nor_obstore() -> None:
    code = (
        "import sys\n"
        "from labops.model import HashName, RemoteSettings\n"
        "from labops.places.remote import open_remote\n"
        "heavy = {'obstore', 'botocore', 'boto3', 'httpx', 'urllib3', 'ssl', 'ctypes'}\n"
        "print(sorted(heavy & set(sys.modules) - {'ctypes'}))\n"
        "options = {'access_key_id': 'k', 'secret_access_key': 's'}\n"
        "open_remote(RemoteSettings('r', 's3://bucket/x', options), HashName.MD5)\n"
        "print(sorted(heavy & set(sys.modules) - {'ctypes', 'ssl'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
