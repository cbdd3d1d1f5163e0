"""Ignore files: lines of `.gitignore`, and the rules of `.dvcignore` exactly as dvc applies them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from labops.errors import InvalidInput

_SPECIAL = re.compile(r"([\[\]!*#?\\])")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BUILT_IN = (".hg/", ".git/", ".git", ".dvc/")
_ALWAYS = frozenset({".git"})
_AS_FOLDER = frozenset({".git", ".hg", ".dvc"})


def add_ignore_line(text: str, name: str) -> str:
    """The `.gitignore` `text` with a line that ignores `name` (and only that) in its own folder.

    The line is the one dvc writes, except where git would read dvc's line as something else: a space at the
    end is escaped, and a line break in a name, which no pattern can spell, is written `?` (any character).
    Nothing is added when that line is there already.
    """
    line = _ignore_line(name)
    if line in text.split("\n"):
        return text
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def remove_ignore_line(text: str, name: str) -> str:
    """`text` without the lines that ignore just `name`, however escaped; every other line is left as it is.

    dvc looks for the unescaped name alone and leaves its own escaped lines behind. An empty result means
    that the file can go.
    """
    ours = _ignore_line(name)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return "".join(line for line in lines if line.rstrip("\r\n") != ours and _plain_name(line) != name)


def _ignore_line(name: str) -> str:
    escaped = re.sub(r"[\r\n]", "?", _SPECIAL.sub(r"\\\1", name))
    without = escaped.rstrip(" ")
    return "/" + without + "\\ " * (len(escaped) - len(without))


def _plain_name(line: str) -> str | None:
    """The one name that a pattern `/name` stands for; None for any other kind of pattern."""
    pattern = line.rstrip("\r\n")
    pattern = re.sub(r"(?<!\\) +$", "", pattern)
    if not pattern.startswith("/") or re.search(r"(?<!\\)(?:\\\\)*[*?\[]", pattern):
        return None
    return re.sub(r"\\(.)", r"\1", pattern[1:])


class Rule(NamedTuple):
    """One line of a `.dvcignore`, or a built-in rule, which has no source and line 0."""

    source: str
    line: int
    pattern: str

    def __str__(self) -> str:
        """As `dvc check-ignore --details` prints it: `SOURCE:LINE:PATTERN`, or `:PATTERN`."""
        return f"{self.source}:{self.line}:{self.pattern}" if self.source else f":{self.pattern}"


class _Group(NamedTuple):
    """Neighbouring rules of one kind, as one regular expression with a named group for each."""

    regex: re.Pattern[str]
    is_ignoring: bool
    is_for_folders: bool
    rules: tuple[Rule, ...]


class _Spec:
    """The rules in force in some folder, with what they said about paths so far."""

    def __init__(self, groups: tuple[_Group, ...]) -> None:
        self.groups = groups
        self.answers: dict[tuple[str, bool], tuple[bool, Rule | None]] = {}


class IgnoreRules:
    """What dvc ignores below a project's root: built-in rules and the `.dvcignore` of every folder.

    Later lines win over earlier ones and deeper files over those above; nothing below an ignored folder can
    be taken back. A `.dvcignore` that is itself ignored does not count. Subprojects are not known here.
    """

    def __init__(
        self,
        files: Iterable[tuple[str, str]] = (),
        *,
        name: str = ".dvcignore",
        built_in: tuple[str, ...] = _BUILT_IN,
    ) -> None:
        """`files` are (folder, text) pairs; folders are posix, relative to the root, which is `""`.

        `name` is how such a file is called, and `built_in` the patterns that come before all of them.

        Raises `InvalidInput` (`bad-dvcignore`) for a pattern that is none.
        """
        self._built_in = built_in
        self._rules: dict[str, tuple[tuple[str, Rule], ...]] = {}
        self._specs: dict[tuple[str, ...], _Spec] = {}
        for folder, text in sorted(files, key=lambda file: (file[0].count("/") + bool(file[0]), file[0])):
            source = f"{folder}/{name}" if folder else name
            if self.match(source, is_dir=False):
                continue
            rules = tuple(
                (_rebased(rule.pattern, folder), rule)
                for rule in _read(text, source)
                if _regex(rule.pattern, rule, 0)[0] is not None  # such as a lone `/`: dvc drops it right here
            )
            if rules:
                self._rules[folder] = rules
                self._spec(folder)

    @property
    def is_plain(self) -> bool:
        """True when there is no rule but the built-in ones, so that nobody need ask file by file."""
        return not self._rules

    def match(self, relpath: str, is_dir: bool) -> bool:
        """True when `relpath` (posix, from the root) is ignored, itself or with a folder above it."""
        if not self._rules and self._built_in is _BUILT_IN:
            return _is_built_in(relpath, is_dir)
        return self.explain(relpath, is_dir)[0]

    def explain(self, relpath: str, is_dir: bool) -> tuple[bool, Rule | None]:
        """Whether `relpath` is ignored, and the rule that decides: None where no rule speaks of it.

        The rule is the one that `dvc check-ignore --details` names; with False it is one that takes back.
        """
        spec = self._spec(relpath.rpartition("/")[0])
        end = relpath.find("/")
        while end != -1:
            is_ignored, rule = _decide(spec, relpath[:end], True)
            if is_ignored:
                return True, rule
            end = relpath.find("/", end + 1)
        return _decide(spec, relpath, is_dir)

    def _spec(self, folder: str) -> _Spec:
        """The rules for what lies directly in `folder`: those of all folders on the way there."""
        sources = tuple(above for above in _lineage(folder) if above in self._rules)
        spec = self._specs.get(sources)
        if spec is None:
            rules = [(pattern, Rule("", 0, pattern)) for pattern in self._built_in]
            for source in sources:
                rules += self._rules[source]
            spec = self._specs[sources] = _Spec(_compile(rules))
        return spec


def _lineage(folder: str) -> list[str]:
    """The root and every folder down to `folder`."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:count]) for count in range(len(parts) + 1)]


def _is_built_in(relpath: str, is_dir: bool) -> bool:
    *above, last = relpath.split("/")
    return last in (_AS_FOLDER if is_dir else _ALWAYS) or not _AS_FOLDER.isdisjoint(above)


def _read(text: str, source: str) -> Iterable[Rule]:
    for number, line in enumerate(_LINE_BREAK.split(text), 1):
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            yield Rule(source, number, pattern)


def _rebased(pattern: str, folder: str) -> str:
    """`pattern` of `folder`'s file as a pattern of the root, as `dvc/pathspec_math.py` does it."""
    if not folder:
        return pattern
    negation = "!" if pattern.startswith("!") else ""
    rest = pattern.removeprefix("!")
    is_anchored = "/" in rest[:-1] and not rest.startswith("**/")
    rest = rest.removeprefix("/") if is_anchored else rest.removeprefix("**/")
    rest = rest.removeprefix("\\")
    rebased = f"{folder}/{rest}" if is_anchored else f"{folder}/**/{rest}"
    return f"!/{rebased}" if negation else rebased


def _compile(rules: list[tuple[str, Rule]]) -> tuple[_Group, ...]:
    """Groups of neighbouring rules; a rule that takes back stands alone (`dvc/ignore.py` does the same)."""
    groups: list[_Group] = []
    pending: list[tuple[str, Rule]] = []
    pending_kind = False

    def finish() -> None:
        if pending:
            joined = "|".join(f"(?P<rule_{at}>{regex})" for at, (regex, _) in enumerate(pending))
            ours = tuple(rule for _, rule in pending)
            groups.append(_Group(re.compile(joined), True, pending_kind, ours))
            pending.clear()

    for count, (pattern, rule) in enumerate(rules):
        regex, is_ignoring = _regex(pattern, rule, count)
        if regex is None or is_ignoring is None:
            continue
        is_for_folders = pattern.endswith("/")
        if pending_kind != is_for_folders or not is_ignoring:
            finish()
        if is_ignoring:
            pending.append((regex, rule))
            pending_kind = is_for_folders
        else:
            groups.append(_Group(re.compile(regex), False, is_for_folders, (rule,)))
    finish()
    return tuple(groups)


def _regex(pattern: str, rule: Rule, count: int) -> tuple[str | None, bool | None]:
    try:
        from pathspec.patterns.gitignore.spec import _DIR_MARK, GitIgnoreSpecPattern
    except ImportError:  # pathspec before 1.0
        from pathspec.patterns.gitwildmatch import (  # type: ignore[no-redef,attr-defined]
            _DIR_MARK,
        )
        from pathspec.patterns.gitwildmatch import (
            GitWildMatchPattern as GitIgnoreSpecPattern,
        )
    try:
        regex, is_ignoring = GitIgnoreSpecPattern.pattern_to_regex(pattern)
        if regex is not None:
            regex = regex.replace(f"<{_DIR_MARK}>", f"<{_DIR_MARK}{count}>")
            re.compile(regex)
    except (ValueError, re.error) as error:
        raise InvalidInput(
            f"'{rule.pattern[:80]}' is not an ignore pattern ('{rule.source}', line {rule.line})",
            code="bad-dvcignore",
            hint="patterns are written as in '.gitignore'",
            path=rule.source,
            line=rule.line,
        ) from error
    return regex, is_ignoring


def _decide(spec: _Spec, path: str, is_dir: bool) -> tuple[bool, Rule | None]:
    """What the rules say about `path` alone, without the folders above it."""
    answer = spec.answers.get((path, is_dir))
    if answer is None:
        answer = _decide_anew(spec.groups, path, is_dir)
        if is_dir:  # asked again for every path below; files are asked about once
            spec.answers[path, is_dir] = answer
    return answer


def _decide_anew(groups: tuple[_Group, ...], path: str, is_dir: bool) -> tuple[bool, Rule | None]:
    forms = (path, path + "/") if is_dir else (path,)
    for group in reversed(groups):
        if group.is_for_folders and not is_dir:
            continue
        for form in forms:
            match = group.regex.match(form)
            if match is None:
                continue
            if not group.is_ignoring:
                return False, group.rules[0]
            at = next(at for at in range(len(group.rules)) if match.group(f"rule_{at}") is not None)
            return True, group.rules[at]
    return False, None
