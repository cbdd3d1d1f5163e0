"""`admin audit`: what an administrator should look at; drift, wide policies, old keys, open buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from labops.administration.days import today
from labops.administration.labfiles import find_lab
from labops.administration.opening import open_provider
from labops.administration.provider import Finding, Provider
from labops.administration.unkept import Unkept
from labops.administration.wanted import ATTACHED, POLICY, Wanted
from labops.formats.policycheck import dangers, wider
from labops.membership import Lab
from labops.planning.lab import SUSPENDED, Act, Change, Ignored, State, Thing, plan_lab


class Audit(NamedTuple):
    """What was found, the most pressing first, and how many things were looked at."""

    lab: Lab
    findings: tuple[Finding, ...]
    looked_at: int

    @property
    def exit_code(self) -> int:
        """0 when there is nothing to look at, 4 otherwise."""
        return 4 if self.findings else 0


_PRESSING = (
    "public-bucket", "wide-policy", "root-key", "ended-member", "unknown-identity", "unencrypted-bucket", "drift",
    "not-applied", "old-key", "two-keys", "not-kept",
)  # fmt: skip


def audit(folder: str = ".", *, profile: str = "", day: str = "", provider: Provider | None = None) -> Audit:
    """Look at everything the lab has at its store and list what is not as it should be. Writes nothing."""
    lab = find_lab(folder)
    store = provider or open_provider(lab, profile=profile)
    now = day or today()
    wanted, observed = store.wanted(lab, now), store.observe(lab)
    ignored = Unkept(lab).load()
    findings = [
        *store.findings(lab, now),
        *_drift(plan_lab(wanted.state, observed, wanted.why, ignored=ignored)),
        *_wide(lab, wanted, observed),
        *(_unkept(row) for row in sorted(ignored) if wanted.state.get(row.thing, {}).get(row.setting) == row.value),
    ]
    rank = {code: at for at, code in enumerate(_PRESSING)}
    findings.sort(key=lambda finding: (rank.get(finding.code, len(rank)), finding.subject, finding.message))
    return Audit(lab, tuple(dict.fromkeys(findings)), len(observed))


def _drift(changes: tuple[Change, ...]) -> Iterator[Finding]:
    for change in changes:
        what = f"{change.setting}: {change.why}" if change.setting else change.why
        is_new = change.act in {Act.CREATE, Act.SET, Act.GRANT} and not change.before
        if change.setting == SUSPENDED and change.value:
            what = f"its keys still work: {change.why}"
        code = "not-applied" if is_new else "drift"
        yield Finding(code, str(change.thing), what, "lab admin plan, then lab admin apply")


def _wide(lab: Lab, wanted: Wanted, observed: State) -> Iterator[Finding]:
    """Policies that allow more than the template, whoever wrote them."""
    admins = {f"{lab.identity_prefix}admins", *(lab.identity_of(m.name) for m in lab.members if m.role == "admin")}
    for thing, settings in observed.items():
        template = wanted.state.get(thing, {})
        for setting, text in settings.items():
            if setting.startswith(ATTACHED):
                message = f"'{setting.removeprefix(ATTACHED)}' hangs on it, and lab.toml does not ask for it"
                yield Finding("wide-policy", str(thing), message, "lab admin apply takes it down")
            if setting != "bucket-policy" and not setting.startswith(POLICY):
                continue
            if text == template.get(setting) or setting == f"{POLICY}{SUSPENDED}":
                continue
            is_admin = thing.name in admins or _is_ours(thing)
            reasons = list(dangers(text, home_bucket=lab.home_bucket, is_admin=is_admin))
            reasons += wider(text, template.get(setting, '{"Statement":[]}'))
            if reasons:
                more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
                message = (
                    f"{setting.removeprefix(POLICY)} allows more than the template: {'; '.join(reasons[:3])}{more}"
                )
                yield Finding("wide-policy", str(thing), message, "lab admin apply puts the template back")


def _is_ours(thing: Thing) -> bool:
    """A bucket's own policy names whole buckets by nature."""
    return thing.kind == "bucket"


def _unkept(row: Ignored) -> Finding:
    return Finding(
        "not-kept", str(row.thing), f"the store does not keep '{row.setting}'", "nothing to do but to know it"
    )
