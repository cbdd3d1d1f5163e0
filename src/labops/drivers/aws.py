"""Who we are for AWS and where its services are: the one importer of botocore.

Keys in the remote's options, in the environment, or plainly in a profile are read here without botocore,
whose import costs more than a whole `lab status`. Everything else (SSO, roles, web identity,
`credential_process`, containers, instance metadata) is botocore's own chain, which also refreshes.

The order is that of the AWS command line and of dvc: options, then the environment (unless the remote names
a profile), then the profile, then the machine's role.
"""

from __future__ import annotations

import configparser
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from labops.errors import AccessDenied, InvalidInput, LabError, NotFound, Unavailable

if TYPE_CHECKING:
    from botocore.session import Session  # type: ignore[import-untyped]

_REFRESH: Final = timedelta(minutes=5)
"""How often refreshable credentials are asked for again; botocore decides whether they need renewal."""

_FEDERATED: Final = (
    "role_arn", "web_identity_token_file", "sso_start_url", "sso_session", "sso_account_id", "login_session",
)  # fmt: skip
"""Profile keys that come before static keys in botocore's chain."""


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """One set of credentials. Its repr shows the key id alone."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """When to ask for them again, with time zone; None for keys that last."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach S3: `keys` is None for anonymous access, else called per request (cheap, thread-safe)."""

    endpoint: str
    """Empty for AWS itself."""
    region: str
    addressing: str
    """`path`, `virtual` or `auto`."""
    ca_file: str | None
    keys: Callable[[], AwsKeys] | None = field(repr=False)


def s3_access(options: Mapping[str, str], env: Mapping[str, str] | None = None) -> S3Access:
    """How the S3 remote with these dvc `options` is reached.

    Reads the AWS files that `env` (the environment by default) and `options` name. Raises `AccessDenied`
    (`no-credentials`), `NotFound` (`no-such-profile`) or `InvalidInput` (`bad-aws-config`).
    """
    env = os.environ if env is None else env
    profile = _Profile(options, env)
    region = options.get("region") or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or profile.get("region")
    keys = None
    if not _is_true(options.get("allow_anonymous_login")):
        keys = _keys(options, env, profile)
    return S3Access(
        endpoint=options.get("endpointurl") or _endpoint(env, profile),
        region=region or "us-east-1",
        addressing=profile.s3.get("addressing_style", "auto"),
        ca_file=env.get("AWS_CA_BUNDLE") or profile.get("ca_bundle"),
        keys=keys,
    )


class _Profile:
    """The section of the AWS files that applies, as far as it concerns S3."""

    def __init__(self, options: Mapping[str, str], env: Mapping[str, str]) -> None:
        self.is_explicit = bool(options.get("profile"))
        self.name = options.get("profile") or env.get("AWS_DEFAULT_PROFILE") or env.get("AWS_PROFILE") or "default"
        home = env.get("HOME") or os.path.expanduser("~")
        self.credentials_path = _expand(
            env.get("AWS_SHARED_CREDENTIALS_FILE") or options.get("credentialpath") or "~/.aws/credentials", home
        )
        self.config_path = _expand(env.get("AWS_CONFIG_FILE") or options.get("configpath") or "~/.aws/config", home)
        self._config = _read_ini(self.config_path)
        shared = _read_ini(self.credentials_path)
        label = "default" if self.name == "default" else f"profile {self.name}"
        self.shared = shared.get(self.name, {})
        self.config = self._config.get(label, self._config.get(f'profile "{self.name}"', {}))
        self.exists = bool(self.shared or self.config) or self.name in shared or label in self._config
        self.s3 = _nested(self.config.get("s3", ""))

    def get(self, key: str) -> str | None:
        """`key` of the profile; the config file comes first, as in botocore."""
        return self.config.get(key) or self.shared.get(key)

    def service_endpoint(self) -> str | None:
        """`endpoint_url` of the profile's `services` section for S3, or of the profile itself."""
        services = self.get("services")
        if services:
            section = self._config.get(f"services {services}", {})
            found = _nested(section.get("s3", "")).get("endpoint_url")
            if found:
                return found
        return self.get("endpoint_url")


def _keys(options: Mapping[str, str], env: Mapping[str, str], profile: _Profile) -> Callable[[], AwsKeys]:
    static = _static_keys(options, env, profile)
    if static is not None:
        return lambda: static
    if profile.is_explicit and not profile.exists:
        raise NotFound(
            f"the AWS profile '{profile.name}' does not exist",
            code="no-such-profile",
            hint=f"aws configure --profile {profile.name}",
            profile=profile.name,
        )
    return _BotocoreKeys(profile)


def _static_keys(options: Mapping[str, str], env: Mapping[str, str], profile: _Profile) -> AwsKeys | None:
    """Keys that last, where the first source in the chain holds some; None leaves it to botocore."""
    if options.get("access_key_id") or options.get("secret_access_key"):
        return _pair(
            options.get("access_key_id"), options.get("secret_access_key"), options.get("session_token"), "the remote"
        )
    if not profile.is_explicit and (env.get("AWS_ACCESS_KEY_ID") or env.get("AWS_SECRET_ACCESS_KEY")):
        token = env.get("AWS_SESSION_TOKEN") or env.get("AWS_SECURITY_TOKEN")
        return _pair(env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY"), token, "the environment")
    if any(profile.get(key) for key in _FEDERATED):
        return None
    if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and not profile.is_explicit:
        return None
    section = profile.shared
    if "aws_access_key_id" not in section:
        if profile.get("credential_process") or "aws_access_key_id" not in profile.config:
            return None
        section = profile.config
    token = section.get("aws_session_token") or section.get("aws_security_token")
    where = f"the AWS profile '{profile.name}'"
    return _pair(section["aws_access_key_id"], section.get("aws_secret_access_key"), token, where)


def _pair(key_id: str | None, secret: str | None, token: str | None, where: str) -> AwsKeys:
    if not key_id or not secret:
        raise AccessDenied(
            f"{where} holds one half of an access key",
            code="no-credentials",
            hint="set both the key id and the secret",
            key_id=key_id,
        )
    return AwsKeys(key_id, secret, token or None)


def _endpoint(env: Mapping[str, str], profile: _Profile) -> str:
    ignored = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or profile.get("ignore_configured_endpoint_urls")
    if _is_true(ignored):
        return ""
    return env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or profile.service_endpoint() or ""


class _BotocoreKeys:
    """Credentials from botocore's chain, refreshed when botocore says so; safe to call from many threads."""

    def __init__(self, profile: _Profile) -> None:
        self._profile = profile
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __call__(self) -> AwsKeys:
        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials = self._find()
                frozen = self._credentials.get_frozen_credentials()
            except LabError:
                raise
            except Exception as error:
                raise translate(error) from error
            is_refreshable = hasattr(self._credentials, "refresh_needed")
            until = datetime.now(UTC) + _REFRESH if is_refreshable else None
            return AwsKeys(frozen.access_key, frozen.secret_key, frozen.token, until)

    def _find(self) -> object:
        session = _session(self._profile)
        found = session.get_credentials()
        if found is None:
            raise AccessDenied(
                "no AWS credentials were found",
                code="no-credentials",
                hint="aws configure, or name a profile: lab remote modify --local NAME profile PROFILE",
            )
        return found


def _session(profile: _Profile) -> Session:
    from botocore.session import Session

    session = Session(profile=profile.name if profile.is_explicit else None)
    session.set_config_variable("credentials_file", profile.credentials_path)
    session.set_config_variable("config_file", profile.config_path)
    return session


_EXPIRED: Final = {
    "SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError", "SSOError", "LoginError",
    "LoginRefreshRequired", "LoginTokenLoadError", "LoginAuthorizationCodeError", "NoAuthTokenError",
    "RefreshWithMFAUnsupportedError",
}  # fmt: skip
_ABSENT: Final = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "UnknownCredentialError",
    "LoginInsufficientPermissions",
}  # fmt: skip
_UNREACHABLE: Final = {
    "ConnectTimeoutError", "ConnectionClosedError", "ConnectionError", "EndpointConnectionError", "HTTPClientError",
    "ProxyConnectionError", "ReadTimeoutError", "ResponseStreamingError", "IncompleteReadError", "SSLError",
    "MetadataRetrievalError", "CapacityNotAvailableError",
}  # fmt: skip
ACCOUNTED: Final = frozenset(_EXPIRED | _ABSENT | _UNREACHABLE | {"ProfileNotFound", "ClientError"})
"""Names of the botocore exceptions with a translation of their own; the rest mean a wrong configuration."""


def translate(error: Exception) -> LabError:
    """Our error for one of botocore's (or for whatever a credential source raised)."""
    name = type(error).__name__
    if name in _EXPIRED:
        return AccessDenied(
            "the AWS login has expired", code="expired-credentials", hint="log in again, for example `aws sso login`"
        )
    if name in _ABSENT:
        return AccessDenied("no AWS credentials could be obtained", code="no-credentials", hint="check the AWS profile")
    if name == "ProfileNotFound":
        return NotFound("the AWS profile does not exist", code="no-such-profile", hint="aws configure list-profiles")
    if name == "ClientError":
        return _refused(error)
    if name in _UNREACHABLE:
        return Unavailable("the AWS login service cannot be reached", code="unreachable", hint="check the network")
    return InvalidInput("the AWS configuration cannot be used", code="bad-aws-config", hint=f"botocore says {name}")


def _refused(error: Exception) -> LabError:
    response = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", ""))
    if code.startswith("Expired"):
        return AccessDenied("the AWS credentials have expired", code="expired-credentials", hint="log in again")
    return AccessDenied(
        "AWS refused to hand out credentials", code="access-denied", hint=f"the login service says '{code}'"
    )


def _expand(path: str, home: str) -> str:
    return home + path[1:] if path.startswith("~/") else path


def _read_ini(path: str) -> dict[str, dict[str, str]]:
    """Sections of an AWS file; an absent file has none. Never shows what is in it."""
    parser = configparser.RawConfigParser(strict=False, default_section="\0", inline_comment_prefixes=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError as error:
        raise AccessDenied(f"'{path}' may not be read", code="file-access-denied", path=path) from error
    except (configparser.Error, UnicodeDecodeError, OSError):
        # The parser's own message quotes the line, which may hold a secret: not chained.
        raise InvalidInput(f"'{path}' cannot be understood", code="bad-aws-config", path=path) from None
    return {" ".join(name.split()): dict(parser.items(name)) for name in parser.sections()}


def _nested(block: str) -> dict[str, str]:
    """The indented `key = value` lines below a key such as `s3 =`."""
    pairs = (line.partition("=") for line in block.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _is_true(text: str | None) -> bool:
    return (text or "").strip().lower() in {"true", "1", "yes", "on"}
