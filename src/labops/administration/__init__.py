"""What the commands of an administrator share: the lab's file, and the provider that keeps its bytes."""

from labops.administration.labfiles import find_lab, lab_root
from labops.administration.opening import open_provider
from labops.administration.provider import Limits, Provider

__all__ = ["Limits", "Provider", "find_lab", "lab_root", "open_provider"]
