"""`admin export`: the lab in another tool's language."""

from __future__ import annotations

from labops.administration.days import today
from labops.administration.labfiles import find_lab
from labops.administration.wanted import wanted
from labops.errors import Unsupported
from labops.formats.terraform import terraform
from labops.membership import Provider


def export_terraform(folder: str = ".", *, day: str = "", with_imports: bool = True) -> str:
    """Terraform's text for everything `lab.toml` asks of AWS, with blocks that import what is there. Sends nothing."""
    lab = find_lab(folder)
    if lab.provider is not Provider.AWS:
        raise Unsupported(
            f"Terraform's AWS provider cannot set up a lab of kind '{lab.provider}'", code="no-terraform",
            hint="lab admin export terraform is for provider 'aws'",
        )  # fmt: skip
    state = wanted(lab, day or today(), kinds=frozenset({"user", "group", "role"})).state
    things = [(thing.kind, thing.name, settings) for thing, settings in state.items()]
    return terraform(lab, things, with_imports=with_imports)
