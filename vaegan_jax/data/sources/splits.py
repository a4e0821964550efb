"""The names of the three splits, and the split of each file of a folder."""

from __future__ import annotations

import collections
import hashlib
import logging
import os
import pathlib
import re
from collections.abc import Collection, Iterable, Sequence

from vaegan_jax.data import sources

_LOGGER = logging.getLogger(__name__)

_STEMS = {
  'train': 'train|training|trn',
  'validation': 'validation|validate|valid|val|development|develop|dev|'
  'evaluation|eval',
  'test': 'test|testing|tst|heldout|holdout',
}
# Words that change nothing, as in 'train_images', 'TestSet' and 'val2017'.
_FILLERS = (
  '(?:datasets?|data|sets?|images?|imgs?|pictures?|photos?|files?|splits?)*'
)
_NAMES = {
  split: re.compile(f'{_FILLERS}(?:{stems}){_FILLERS}')
  for split, stems in _STEMS.items()
}

# A hash of the path in [0, 1) decides where no folder does.
_VALIDATION, _TEST = 0.9, 0.95

# How deep folders may lie that name splits, as in bottle/train/good/1.png.
_LEVELS = 3


def of(name: str) -> str | None:
  """Returns the split that a name means; None if it means none or is unclear.

  Case, digits and punctuation do not matter.
  """
  letters = re.sub(r'[\W\d_]', '', name.lower())
  matching = (s for s, names in _NAMES.items() if names.fullmatch(letters))
  return next(matching, None)


def resembles(name: str) -> bool:
  """Returns whether a split is part of a name, as in 'trainA', 'cars_test'."""
  return any(map(of, _words(name)))


def name_splits(folders: Collection[str]) -> dict[str, str]:
  """Maps the folders that name splits to them; {} unless two splits are named.

  Names may have more in common, as 'cars_train' and 'cars_test' have, if they
  are alike but for the split. One split must be 'train'.
  """
  plain = {folder: split for folder in folders if (split := of(folder))}
  alike: dict[tuple[str, ...], dict[str, str]] = collections.defaultdict(dict)
  for folder in folders:
    for place, word in enumerate(words := _words(folder)):
      if split := of(word):
        alike[*words[:place], '', *words[place + 1 :]][folder] = split
  found = [plain] if plain else [*alike.values()]
  complete = [
    f for f in found if 'train' in f.values() and len({*f.values()}) > 1
  ]
  return complete[0] if len(complete) == len(found) == 1 else {}


def check_validation(split: str, *, train_on_validation: bool) -> None:
  """Refuses the split 'validation' if its images are in 'train'.

  Raises:
    ValueError: they are.
  """
  if train_on_validation and split == 'validation':
    raise ValueError(
      "split 'validation' is empty: with train_on_validation its images are "
      "in 'train'; take 'test', or set train_on_validation to False"
    )


def assign(
  paths: Sequence[str], *, root: pathlib.Path, train_on_validation: bool
) -> dict[str, list[str]]:
  """Maps each split to its files, in the order given.

  Folders that name the splits decide; if none is for testing, a hash of the
  path takes 5 % of train for it. Without such folders the hash puts 90 % into
  train and 5 % each into the others. So an added file moves no other. Logs
  which folders are left out, or look like splits and are not used as such.

  Args:
    paths: relative to `root`, with slashes.
    root: the folder, for messages.
    train_on_validation: move the files of 'validation' to 'train'.
  """
  folders, of_folder = _split_folders(paths)
  named = {*of_folder.values()}
  if named:
    _warn_of_others(folders.values(), of_folder, root=root)
  else:
    _warn_of_lookalikes(paths, root=root)
  found: dict[str, list[str]] = {split: [] for split in sources.SPLITS}
  for path in paths:
    split = of_folder.get(folders[path]) if named else _by_hash(path)
    if split == 'train' and named and 'test' not in named:
      split = 'test' if _by_hash(path) == 'test' else 'train'
    if split == 'validation' and train_on_validation:
      split = 'train'
    if split:
      found[split].append(path)
  return found


def inner_folders(paths: Sequence[str]) -> dict[str, str]:
  """Maps each file to the folder that holds it; '' if that names a split."""
  _, of_folder = _split_folders(paths)
  holding = {path: os.path.basename(os.path.dirname(path)) for path in paths}
  return {p: '' if name in of_folder else name for p, name in holding.items()}


def _split_folders(
  paths: Sequence[str],
) -> tuple[dict[str, str], dict[str, str]]:
  """Maps files to folders of the first level that names splits, and these."""
  parts = {path: path.split('/')[:-1] for path in paths}
  for level in range(_LEVELS + _common(paths)):
    at = {p: f[level] if level < len(f) else '' for p, f in parts.items()}
    if named := name_splits({*at.values()}):
      return at, named
  return {}, {}


def _words(name: str) -> list[str]:
  return re.findall(r'[A-Z]?[a-z]+|[A-Z]+|\d+', name)


def _common(paths: Iterable[str]) -> int:
  """Counts the folders that all files share."""
  shared = os.path.commonpath({os.path.dirname(path) for path in paths})
  return len(pathlib.PurePath(shared).parts)


def _warn_of_others(
  folders: Iterable[str], known: Collection[str], *, root: pathlib.Path
) -> None:
  others = collections.Counter(f for f in folders if f not in known)
  if others:
    listed = ', '.join(f'{n} in {f or "."}/' for f, n in others.most_common(5))
    _LOGGER.warning(
      '%d images of %s are left out, as their folders name no split (%s).',
      others.total(),
      root,
      listed,
    )


def _warn_of_lookalikes(paths: Iterable[str], *, root: pathlib.Path) -> None:
  folders = {folder for path in paths for folder in path.split('/')[:-1]}
  similar = sorted(filter(resembles, folders))
  if similar:
    _LOGGER.warning(
      '%s has folders that look like splits and are not used as such (%s): '
      'expected one for training and one for testing, such as train/ and '
      'test/. Instead a hash of its path puts each image into a split.',
      root,
      ', '.join(similar[:5]),
    )


def _by_hash(path: str) -> str:
  # Names that are no text hold surrogates, which fsencode restores to bytes.
  digest = hashlib.sha256(os.fsencode(path)).digest()
  share = int.from_bytes(digest[:8], 'big') / 2**64
  if share < _VALIDATION:
    return 'train'
  return 'validation' if share < _TEST else 'test'
