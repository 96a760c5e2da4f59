"""The npm packages behind the emoji data, pinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .npm import NpmPackage
from .pictures import (
    PictureSet,
    bitmap_pictures,
    iconify_pictures,
    svg_pictures,
)

TEXTS = NpmPackage(
    'emojibase-data',
    '17.0.0',
    'sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpy'
    'hBNEC0m2SEmItljHsTygjA==',
)
LICENSE_TEXTS = NpmPackage(
    'spdx-license-list',
    '6.10.0',
    'sha512-wF3RhDFoqdu14d1Prv6c8aNU0FSRuSFJpNjWeygIZcNZEwPxp7I5/Hwo8j6lSkBK'
    'WAIkSQrKefrC5N0lvOP0Gw==',
)


@dataclass(frozen=True)
class Vendor:
    """One vendor's drawings, where they come from and under what terms.

    Args:
        name (str): Name of the vendor in the data set.
        package (NpmPackage): Package that holds the drawings.
        read (Callable[[Path], PictureSet]): Reader of the package file.
        license (str): SPDX identifier of the drawings' licence.
        attribution (str): Authors and address, as their licence asks.
    """

    name: str
    package: NpmPackage
    read: Callable[[Path], PictureSet]
    license: str
    attribution: str


VENDORS = (
    Vendor(
        'twemoji',
        NpmPackage(
            '@iconify-json/twemoji',
            '1.2.5',
            'sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2'
            'uNNCxyXzAWU9yNLlj41WU6/mvgALsw==',
        ),
        iconify_pictures,
        'CC-BY-4.0',
        'Twemoji graphics, Copyright Twitter, Inc and other contributors, '
        'https://github.com/jdecked/twemoji',
    ),
    Vendor(
        'openmoji',
        NpmPackage(
            'openmoji',
            '17.0.0',
            'sha512-EBnYrNGdcdw+OSXmENeNE1yBNRu6tOraTmoOyUbJkTmvT/+XETp8RZLS'
            'JFzD3lrPc5N9CzsyPnRTk0Vp4UaI9w==',
        ),
        lambda package: svg_pictures(package, 'color/svg/'),
        'CC-BY-SA-4.0',
        'All emojis designed by OpenMoji - the open-source emoji and icon '
        'project, https://openmoji.org',
    ),
    Vendor(
        'fluent-flat',
        NpmPackage(
            '@iconify-json/fluent-emoji-flat',
            '1.2.6',
            'sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDE'
            'RGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==',
        ),
        iconify_pictures,
        'MIT',
        'Fluent Emoji, Copyright (c) Microsoft Corporation, '
        'https://github.com/microsoft/fluentui-emoji',
    ),
    Vendor(
        'fluent-3d',
        NpmPackage(
            '@lobehub/fluent-emoji-3d',
            '1.1.0',
            'sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKo'
            'ehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==',
        ),
        lambda package: bitmap_pictures(package, 'assets/'),
        'MIT',
        'Fluent Emoji, Copyright (c) Microsoft Corporation, '
        'https://github.com/microsoft/fluentui-emoji, as packed by LobeHub, '
        'Copyright (c) 2023 LobeHub, https://github.com/lobehub/fluent-emoji',
    ),
    Vendor(
        'noto',
        NpmPackage(
            '@iconify-json/noto',
            '1.2.9',
            'sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4'
            'np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
        ),
        iconify_pictures,
        'Apache-2.0',
        'Noto Emoji, Copyright Google Inc., '
        'https://github.com/googlefonts/noto-emoji',
    ),
)

HELDOUT_VENDOR = 'noto'
