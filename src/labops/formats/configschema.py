"""Which options dvc knows, and which values it takes: the rules of `dvc/config_schema.py`.

One unknown option makes dvc refuse the whole repository, so labops must never write one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from labops.errors import InvalidInput
from labops.formats.configtext import Value

Rule = Callable[[Value], str | None]
"""What is wrong with a value, or None."""

LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")


def _text(value: Value) -> str | None:
    return None if isinstance(value, str) else "expected one value, got a list (put quotes around a comma)"


def _bool(value: Value) -> str | None:
    return None if isinstance(value, str) and value.lower() in ("true", "false") else "expected true or false"


def _number(kind: type[int | float], at_least: float | None = None, at_most: float | None = None) -> Rule:
    def rule(value: Value) -> str | None:
        try:
            number = kind(value) if isinstance(value, str) else None
        except ValueError:
            number = None
        if number is None:
            return "expected a number"
        if at_least is not None and not number >= at_least:  # a `nan` is not
            return f"expected at least {at_least:g}"
        return f"expected at most {at_most:g}" if at_most is not None and number > at_most else None

    return rule


def _choice(*choices: str) -> Rule:
    def rule(value: Value) -> str | None:
        fits = isinstance(value, str) and value.lower() in choices
        return None if fits else f"expected one of {', '.join(choices)}"

    return rule


def _link_types(value: Value) -> str | None:
    wrong = [kind for kind in split_types(value) if kind not in LINK_TYPES]
    return f"unknown link type '{wrong[0][:40]}', expected some of {', '.join(LINK_TYPES)}" if wrong else None


def split_types(value: Value) -> tuple[str, ...]:
    """The link types of `cache.type`, written as a list or as text with commas."""
    return tuple(one.strip() for one in value.split(",")) if isinstance(value, str) else value


def _never(_: Value) -> str | None:
    return "dvc accepts no value for it"


def _all(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_JOBS = _number(int, 1)
_INT = _number(int)
_COMMON = _all(_text, "url") | _all(_JOBS, "jobs checksum_jobs") | _all(_bool, "worktree no_traverse version_aware")
_LOCAL: dict[str, Rule] = {
    "type": _link_types,
    "shared": _choice("group"),
    **_all(_bool, "protected slow_link_warning verify"),
}
_HTTP: dict[str, Rule] = {
    "auth": _choice("basic", "digest", "custom"),
    **_all(_text, "custom_auth_header user password ssl_verify method"),
    **_all(_bool, "ask_password verify"),
    **_all(_number(float, 0), "connect_timeout read_timeout"),
    **_COMMON,
}
_WEBDAV = {
    **_all(_text, "user password token bearer_token_command custom_auth_header cert_path key_path ssl_verify"),
    **_all(_bool, "ask_password verify"),
    **_all(_INT, "timeout"),
    **_COMMON,
}
_S3 = {
    **_all(_text, "region profile credentialpath configpath endpointurl access_key_id secret_access_key"),
    **_all(_text, "session_token ssl_verify sse sse_kms_key_id sse_customer_algorithm sse_customer_key acl"),
    **_all(_text, "grant_read grant_read_acp grant_write_acp grant_full_control"),
    **_all(_bool, "listobjects use_ssl allow_anonymous_login verify"),
    **_all(_INT, "read_timeout connect_timeout"),
    "cache_regions": _never,
    **_COMMON,
}
_GS = _all(_text, "projectname credentialpath endpointurl") | _all(_bool, "verify allow_anonymous_login") | _COMMON
_SSH = {
    "type": _link_types,
    **_all(_INT, "port timeout max_sessions"),
    **_all(_text, "user password passphrase keyfile"),
    **_all(_bool, "ask_password ask_passphrase gss_auth allow_agent verify"),
    **_COMMON,
}
_HDFS = _all(_text, "user kerb_ticket") | _all(_never, "replication") | _COMMON
_WEBHDFS = {
    **_all(_text, "kerberos_principal proxy_to ssl_verify token user password data_proxy_target"),
    **_all(_bool, "kerberos use_https verify"),
    **_COMMON,
}
_AZURE = {
    **_all(_text, "connection_string sas_token account_name account_key tenant_id client_id client_secret"),
    **_all(_bool, "allow_anonymous_login exclude_environment_credential verify"),
    **_all(_bool, "exclude_visual_studio_code_credential exclude_shared_token_cache_credential"),
    **_all(_bool, "exclude_managed_identity_credential"),
    **_all(_INT, "timeout read_timeout connection_timeout"),
    **_COMMON,
}
_OSS = _all(_text, "oss_key_id oss_key_secret oss_endpoint") | _all(_bool, "verify") | _COMMON
_GDRIVE = {
    **_all(_text, "profile gdrive_client_id gdrive_client_secret gdrive_user_credentials_file"),
    **_all(_text, "gdrive_service_account_user_email gdrive_service_account_json_file_path"),
    **_all(_bool, "gdrive_use_service_account gdrive_trash_only gdrive_acknowledge_abuse verify"),
    **_COMMON,
}
_REMOTES: dict[str, Mapping[str, Rule]] = {
    "": _LOCAL | _COMMON,
    "s3": _S3,
    "gs": _GS,
    "ssh": _SSH,
    "hdfs": _HDFS,
    "webhdfs": _WEBHDFS,
    "azure": _AZURE,
    "oss": _OSS,
    "gdrive": _GDRIVE,
    "http": _HTTP,
    "https": _HTTP,
    "webdav": _WEBDAV,
    "webdavs": _WEBDAV,
}
_ANY_REMOTE: dict[str, Rule] = {name: _text for rules in _REMOTES.values() for name in rules}
_PLAIN: dict[str, Mapping[str, Rule]] = {
    "core": {
        **_all(_text, "remote site_cache_dir machine"),
        **_all(_JOBS, "checksum_jobs"),
        **_all(_bool, "interactive analytics hardlink_lock no_scm autostage experiments check_update"),
    },
    "cache": _all(_text, "local s3 gs hdfs webhdfs ssh azure dir") | _LOCAL,
    "state": {"dir": _text, "row_limit": _JOBS, "row_cleanup_quota": _number(int, 0, 100)},
    "index": {"dir": _text},
    "plots": {"html_template": _text, "auto_open": _bool, "out_dir": _text},
    "exp": _all(_text, "code data models metrics params plots live git_remote") | _all(_bool, "auto_push"),
    "parsing": {"bool": _choice("store_true", "boolean_optional"), "list": _choice("nargs", "append")},
    "hydra": _all(_text, "config_dir config_module config_name plugins_path") | _all(_bool, "enabled"),
    "studio": _all(_text, "token url repo_url") | _all(_bool, "offline"),
}
_DB = _all(_text, "url username password")
_MACHINE: dict[str, Rule] = {
    "cloud": _choice("aws", "azure"),
    "region": _choice("us-west", "us-east", "eu-west", "eu-north"),
    **_all(_text, "image instance_type instance_gpu ssh_private startup_script setup_script"),
    "spot": _bool,
    "spot_price": _number(float),
    "instance_hdd_size": _INT,
}
_NETLOC = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://[^/?#]")


def url_scheme(url: str) -> str:
    """The scheme that decides a remote's options: empty for a path and for any url without a host."""
    match = _NETLOC.match(url)
    return match.group(1).lower() if match else ""


def validate_option(section: str, option: str, value: Value, *, url: str | None = None) -> None:
    """Raises `InvalidInput` (`bad-config`) for what dvc would refuse: section, option, or value.

    `url` is that of the remote whose section this is; without it, an option of any kind of remote will do.
    """
    rules = _rules(section, url)
    if rules is None:
        return
    rule = rules.get(option)
    if rule is None:
        raise _refused(f"'{section}' has no option '{option[:80]}'", rules)
    problem = rule(value)
    if problem:
        raise _refused(f"'{section}.{option}' is wrong: {problem}", ())


def validate_sections(sections: Mapping[str, Mapping[str, Value]]) -> None:
    """The same for a whole merged configuration, where every remote must have a url as well."""
    for section, options in sections.items():
        url: str | None = None
        if section.startswith("remote."):
            stated = options.get("url")
            if not isinstance(stated, str):
                name = section.removeprefix("remote.")
                raise _refused(
                    f"remote '{name}' has no url",
                    (),
                    hint=f"set it with 'lab remote modify {name} url URL', or remove the section from the "
                    "config file that still mentions it ('.dvc/config.local' perhaps)",
                )
            url = stated
        for option, value in options.items():
            validate_option(section, option, value, url=url)
        if section == "hydra" and "config_dir" in options and "config_module" in options:
            raise _refused("'hydra' takes 'config_dir' or 'config_module', not both", ())


def _rules(section: str, url: str | None) -> Mapping[str, Rule] | None:
    """The options of a section; None where anything goes."""
    kind, dot, name = section.partition(".")
    if dot and name and kind == "db":
        return _DB
    if dot and name and kind == "machine":
        return _MACHINE
    if dot and name and kind == "remote":
        return _ANY_REMOTE if url is None else _remote_rules(name, url)
    if section == "feature":
        return None
    rules = _PLAIN.get(section)
    if rules is None:
        raise _refused(f"there is no section '{section[:80]}'", (*_PLAIN, "remote.NAME", "db.NAME"))
    return rules


def _remote_rules(name: str, url: str) -> Mapping[str, Rule] | None:
    scheme = url_scheme(url)
    if scheme == "remote":
        return None
    rules = _REMOTES.get(scheme)
    if rules is None:
        raise _refused(f"remote '{name}' has a url of an unknown kind, '{scheme}://'", filter(None, _REMOTES))
    return rules


def _refused(problem: str, known: Iterable[str], *, hint: str = "") -> InvalidInput:
    names = ", ".join(sorted(known))
    return InvalidInput(problem, code="bad-config", hint=hint or (f"known are: {names}" if names else ""))
