"""README and licences that travel with the emoji data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .npm import read_member
from .packages import HELDOUT_VENDOR, LICENSE_TEXTS, TEXTS, VENDORS, Vendor

# Where a package carries the licence of its content itself.
_OWN_LICENSE_FILES = {'openmoji': 'LICENSE.txt', 'emojibase-data': 'LICENSE'}

_README = """\
# Emoji data

{concepts:,} emoji ({groups} groups, {subgroups} subgroups) drawn by
{vendors} vendors: {samples:,} RGBA pictures of {size} x {size} pixels with
name, keywords and categories, as gzip-compressed WebDataset shards. It holds
all three kinds of supervision: categories, image-text pairs, images.

Built by `projects/emoji/build_emoji.py` from pinned npm packages;
the same packages and the same encoder ({encoder}) give the same bytes. Do
not edit by hand.

| split | samples | content |
|---|---|---|
| `train-*.tar.gz` | {train:,} \
| training families of all vendors but `{heldout}` |
| `val-*.tar.gz` | {val:,} | everything else: `{heldout}` with all concepts, \
the other vendors with the held-out families |

A random split of the concepts would leak, because *man cook* and *woman
cook* or twelve clock faces are nearly one drawing. About a fifth of the
concepts is therefore held out in whole families: names without words for
gender and without the text after a colon; the subgroups time, heart, zodiac,
keycap, geometric, alphanum and arrow are one family each. Flags, skin tones
and components are left out.

## A sample

`KEY.webp` is the picture (a picture without any transparency decodes as
RGB), `KEY.json` holds:

| field | type | meaning |
|---|---|---|
| `concept` | int | class id, index into `concepts` of `meta.json` |
| `group`, `group_id` | str, int | coarse category, into `groups` |
| `subgroup`, `subgroup_id` | str, int | fine category, into `subgroups` |
| `name` | str | CLDR short name in English |
| `keywords` | list[str] | CLDR keywords in English, may be empty |
| `hexcode` | str | Unicode code points |
| `vendor` | str | {vendor_names} |
| `family` | str | concepts of one family are in one split |
| `heldout_family` | bool | whether the family is kept out of training |

`meta.json` lists the classes, the sources, and the SHA-256 of each shard.

## Licences

The pictures keep the licence of their vendor; re-encoding changes nothing
about it. Whoever passes on pictures of a vendor passes on its notice in
`LICENSES/`. The pictures were rendered or scaled to {size} pixels and
encoded as WebP; nothing else was changed.

| content | licence | source | attribution |
|---|---|---|---|
{licenses}
"""


def write_notices(
    output: Path, packages: dict[str, Path], meta: dict[str, Any]
) -> None:
    """Write ``README.md`` and ``LICENSES/``.

    Args:
        output (Path): Folder of the data set.
        packages (dict[str, Path]): Package files by package name.
        meta (dict): Content of ``meta.json``.
    """
    folder = output / 'LICENSES'
    folder.mkdir(exist_ok=True)
    for vendor in VENDORS:
        text = (
            f'{vendor.attribution}\n'
            f'Taken from the npm package {_source(vendor)}, rendered at '
            f'{meta["size"]} pixels and encoded as WebP.\n'
            f'License: {vendor.license}\n\n'
            f'{_license_text(vendor, packages)}\n'
        )
        path = folder / f'{vendor.name}-{vendor.license}.txt'
        path.write_text(text, encoding='utf-8')
    (folder / f'{TEXTS.name}-MIT.txt').write_bytes(
        read_member(packages[TEXTS.name], _OWN_LICENSE_FILES[TEXTS.name])
    )
    (output / 'README.md').write_text(_readme(meta), encoding='utf-8')


def _license_text(vendor: Vendor, packages: dict[str, Path]) -> str:
    own = _OWN_LICENSE_FILES.get(vendor.package.name)
    if own is not None:
        return read_member(packages[vendor.package.name], own).decode()
    entry = read_member(
        packages[LICENSE_TEXTS.name], f'licenses/{vendor.license}.json'
    )
    text = json.loads(entry)['licenseText']
    # the template of the MIT licence names nobody
    return text.replace(
        'Copyright (c) <year> <copyright holders>', vendor.attribution
    )


def _source(vendor: Vendor) -> str:
    return f'{vendor.package.name}@{vendor.package.version}'


def _readme(meta: dict[str, Any]) -> str:
    rows = [
        f'| {vendor.name} | {vendor.license} | `{_source(vendor)}` '
        f'| {vendor.attribution} |'
        for vendor in VENDORS
    ]
    rows.append(
        f'| names, keywords, categories | MIT | `{TEXTS.name}@'
        f'{TEXTS.version}` | Copyright (c) 2017-2019 Miles Johnson; Unicode '
        'CLDR |'
    )
    train, val = (meta['splits'][s]['samples'] for s in ('train', 'val'))
    return _README.format(
        concepts=len(meta['concepts']),
        groups=len(meta['groups']),
        subgroups=len(meta['subgroups']),
        vendors=len(meta['vendors']),
        vendor_names=', '.join(f'`{name}`' for name in meta['vendors']),
        samples=train + val,
        size=meta['size'],
        encoder=meta['encoder'],
        train=train,
        val=val,
        heldout=HELDOUT_VENDOR,
        licenses='\n'.join(rows),
    )
