"""The contrastive stories of CE-Bench (arXiv 2509.00691), as published: from a local folder or the cache of the hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from husai_core import Skipped, TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import HusaiError, did_you_mean
from husai_core.need import Need
from husai_core.texts import TextPair
from husai_texts.tables import ENDINGS, rows_of

OWNER = "GulkoA"
VERSIONS = ("contrastive-stories-v2", "contrastive-stories-v3", "contrastive-stories-v4")
STORIES = ("story1", "story2")
SUBJECTS = ("subject", "subject_title")  # the fourth version has the second name
FOLDER = "HUSAI_DATA"  # the environment variable that names a folder of downloaded data


class ContrastiveStories(TextSource):
    name = "ce_bench"
    summary = (
        "Pairs of stories that tell of one subject in contrasting ways; a part is contrastive-stories-v3, or a folder "
        "or file with the columns story1, story2 and subject."
    )
    licence = "MIT, as its authors declare"
    install = f"hf download {OWNER}/{VERSIONS[1]} --repo-type dataset --local-dir {VERSIONS[1]}"

    def parts(self) -> Sequence[str]:
        return VERSIONS

    def members(self, part: str) -> Sequence[str]:
        """One set at a time: no two versions are scored together."""
        return [part]

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        wanted = part or VERSIONS[1]
        try:
            _files(wanted, folder, f"texts ce_bench:{wanted}")
        except HusaiError as error:
            return [Need("data", wanted, False, error.rule, error.next_step)]
        return [Need("data", wanted, True)]

    def read(self, part: str, folder: Path) -> TextSet:
        """The rows of the split `train`, the only one published, in their order: story1, then story2 of each."""
        place = f"texts ce_bench:{part}"
        texts: list[str] = []
        pairs: list[TextPair] = []
        for path in _files(part, folder, place):
            for where, row in rows_of(path, f"{place}, {path.name}"):
                for column in STORIES:
                    if not isinstance(row.get(column), str) or not row[column].strip():
                        step = f"give every row a {column}, or leave the row out of a copy with a name of its own"
                        raise UsageError(where, f"has no story under '{column}'", step)
                subject = next((row[name] for name in SUBJECTS if isinstance(row.get(name), str)), "").strip()
                if not subject:
                    raise UsageError(where, f"has no subject under '{SUBJECTS[0]}'", "say what the stories are about")
                pairs.append(TextPair(len(texts), len(texts) + 1, subject))
                texts += (row[column] for column in STORIES)
        return TextSet(f"ce_bench:{part}", tuple(texts), pairs=tuple(pairs))


def _files(part: str, folder: Path, place: str) -> list[Path]:
    """The files of a set: in the folder of the environment or beside the study, else in the cache of the hub."""
    roots = [Path(os.environ[FOLDER]), folder] if os.environ.get(FOLDER) else [folder]
    found = next((root / part for root in roots if (root / part).exists()), None) or _cached(part)
    if found is None:
        where = f"beside the study, nor in ${FOLDER}"
        if part not in VERSIONS:
            rule = f"there is no such file or folder {where}, and no such set is published"
            raise UsageError(place, rule, did_you_mean(part, VERSIONS))
        fetch = f"hf download {OWNER}/{part} --repo-type dataset --local-dir {part}"
        raise Skipped(place, f"it is neither {where}, nor in the cache of the hub", f"{fetch}  # beside the study")
    if found.is_file():
        if found.suffix not in ENDINGS:
            raise UsageError(place, f"'{found.suffix}' is no kind of table", f"give one of {', '.join(ENDINGS)}")
        return [found]
    tables = sorted(path for at in (found, found / "data") for path in at.glob("*") if path.suffix in ENDINGS)
    split = [path for path in tables if path.name.startswith("train")] or tables
    if not split or len({path.suffix for path in split}) > 1 or (len(split) > 1 and not _shards(split)):
        names = ", ".join(path.name for path in split) or "none"
        step = "leave one file there, or those of the split train as the hub has them"
        raise UsageError(place, f"it is not clear which files are the set: {names}", step)
    return split


def _shards(paths: Sequence[Path]) -> bool:
    """Whether these are all parts of one split, as the hub names them: train-00000-of-00002."""
    expected = [f"train-{number:05}-of-{len(paths):05}" for number in range(len(paths))]
    return [path.name[: len(name)] for path, name in zip(paths, expected, strict=True)] == expected


def _cached(part: str) -> Path | None:
    """The snapshot that the hub's own client downloaded earlier; nothing is fetched."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError:
        return None
    try:
        return Path(snapshot_download(f"{OWNER}/{part}", repo_type="dataset", local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError):
        return None


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [ContrastiveStories()]
