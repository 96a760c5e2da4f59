"""Any picture becomes what a person sees, or one fault."""

import io
import os
import random
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from PIL import Image

from m3i_mm.datasets.faults import SampleError, as_fault
from m3i_mm.datasets.images import decode, read_header, read_image_file
from m3i_mm.datasets.transforms import DecodeImage, RandomView

pytestmark = pytest.mark.openmmlab

RNG = np.random.default_rng(0)
# smooth, so that lossy formats come near; no symmetry, so that turns show
SMALL = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
PIXELS = cv2.resize(SMALL, (64, 48), interpolation=cv2.INTER_CUBIC)
COLOR = Image.fromarray(PIXELS)
GREY = COLOR.convert('L')


def encode(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def seen(content):
    """The decoded picture in RGB."""
    img = decode(content, 'k1')
    assert img.dtype == np.uint8
    return cv2.cvtColor(
        img, cv2.COLOR_BGR2RGB if img.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    )


def near(found, wanted, tolerance=0.0):
    assert found.shape == wanted.shape
    assert np.abs(found.astype(float) - wanted).mean() <= tolerance


class TestFormats:
    @pytest.mark.parametrize(
        ('form', 'options', 'tolerance'),
        [
            ('PNG', {}, 0),
            ('BMP', {}, 0),
            ('TIFF', {}, 0),
            ('TIFF', dict(compression='tiff_lzw'), 0),
            ('PPM', {}, 0),
            ('WEBP', dict(lossless=True), 0),
            ('JPEG', dict(quality=95), 3),
            ('JPEG', dict(quality=95, progressive=True), 3),
            ('GIF', {}, 12),
            ('AVIF', dict(quality=95), 4),
            ('JPEG2000', {}, 3),
            ('MPO', dict(save_all=True, quality=95), 3),
        ],
    )
    def test_colors(self, form, options, tolerance):
        Image.init()
        if form not in Image.SAVE:
            pytest.skip(f'Pillow was built without {form}')
        near(seen(encode(COLOR, form, **options)), PIXELS, tolerance)

    @pytest.mark.parametrize('form', ['PNG', 'TIFF', 'JPEG', 'BMP', 'PPM'])
    def test_grey_is_a_color(self, form):
        wanted = np.asarray(GREY.convert('RGB'))
        near(seen(encode(GREY, form)), wanted, 3)

    @pytest.mark.parametrize('form', ['PNG', 'TIFF', 'PPM'])
    def test_sixteen_bits(self, form):
        deep = np.asarray(GREY).astype(np.uint16) * 256 + 77
        content = encode(Image.fromarray(deep), form)
        near(seen(content), np.asarray(GREY.convert('RGB')))

    def test_16_bits_whose_zero_is_white(self):
        # Pillow writes the tag, and turns neither what it writes nor reads
        deep = np.asarray(GREY).astype(np.uint16) * 256 + 77
        content = encode(Image.fromarray(deep), 'TIFF', tiffinfo={262: 0})
        expected = 255 - np.asarray(GREY)
        assert np.array_equal(decode(content, 'a')[..., 0], expected)

    @pytest.mark.parametrize('suffix', ['.png', '.tif'])
    def test_sixteen_bits_of_color(self, suffix):
        deep = PIXELS[..., ::-1].astype(np.uint16) * 256 + 77
        content = cv2.imencode(suffix, deep)[1].tobytes()
        near(seen(content), PIXELS)

    def test_palettes(self):
        palette = COLOR.quantize(200)
        wanted = np.asarray(palette.convert('RGB'))
        for form in ('PNG', 'GIF', 'TIFF', 'BMP'):
            near(seen(encode(palette, form)), wanted)
        hidden = encode(
            palette, 'PNG', transparency=int(palette.getpixel((0, 0)))
        )
        assert seen(hidden)[0, 0, 3] == 0
        assert seen(hidden).shape == (48, 64, 4)

    def test_one_bit(self):
        near(
            seen(encode(GREY.convert('1'), 'PNG')),
            np.asarray(GREY.convert('1').convert('RGB')),
        )

    @pytest.mark.parametrize('form', ['PNG', 'TIFF', 'WEBP'])
    def test_transparency(self, form):
        rgba = COLOR.copy()
        rgba.putalpha(GREY)
        options = dict(lossless=True, exact=True) if form == 'WEBP' else {}
        near(seen(encode(rgba, form, **options)), np.asarray(rgba))
        rgba.putalpha(255)
        assert seen(encode(rgba, form, **options)).shape[2] == 3
        grey = GREY.convert('LA')
        near(seen(encode(grey.convert('RGBA'), form, **options)),
             np.asarray(GREY.convert('RGB')))  # fmt: skip

    def test_printers_colors(self):
        cmyk = COLOR.convert('CMYK')
        wanted = np.asarray(cmyk.convert('RGB'))
        for form in ('JPEG', 'TIFF'):
            near(seen(encode(cmyk, form)), wanted, 5)

    @pytest.mark.parametrize('form', ['WEBP', 'GIF', 'PNG'])
    def test_animations_show_their_first_frame(self, form):
        black = Image.new('RGB', COLOR.size)
        options = dict(save_all=True, append_images=[black])
        if form == 'WEBP':
            options['lossless'] = True
        near(seen(encode(COLOR, form, **options)), PIXELS, 12)

    @pytest.mark.parametrize('kind', [np.int32, np.float32])
    def test_32_bits_are_a_fault(self, kind):
        content = encode(Image.fromarray(np.full((9, 9), 7, kind)), 'TIFF')
        with pytest.raises(SampleError, match='32 bits'):
            decode(content, 'k1')
        color = np.full((9, 9, 3), 0.5, np.float32)
        with pytest.raises(SampleError, match='image fault in k1'):
            decode(cv2.imencode('.tif', color)[1].tobytes(), 'k1')


def jpeg_segment(marker, content):
    return b'\xff' + marker + struct.pack('>H', len(content) + 2) + content


class TestOrientation:
    @pytest.mark.parametrize('number', range(1, 9))
    @pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'AVIF'])
    def test_all_orientations(self, form, number):
        Image.init()
        if form not in Image.SAVE:
            pytest.skip(f'Pillow was built without {form}')
        note = Image.Exif()
        note[0x0112] = number
        # rows and columns of the picture as the EXIF standard stores them
        stored = {
            1: PIXELS,
            2: PIXELS[:, ::-1],
            3: PIXELS[::-1, ::-1],
            4: PIXELS[::-1],
            5: PIXELS.transpose(1, 0, 2),
            6: PIXELS.transpose(1, 0, 2)[::-1],
            7: PIXELS.transpose(1, 0, 2)[::-1, ::-1],
            8: PIXELS.transpose(1, 0, 2)[:, ::-1],
        }[number]
        image = Image.fromarray(np.ascontiguousarray(stored))
        options = dict(quality=95) if form in ('JPEG', 'AVIF') else {}
        if form == 'WEBP':
            options['lossless'] = True
        near(seen(encode(image, form, exif=note, **options)), PIXELS, 4)

    def test_behind_other_segments(self):
        note = Image.Exif()
        note[0x0112] = 6
        content = encode(COLOR, 'JPEG', exif=note)
        xmp = b'http://ns.adobe.com/xap/1.0/\0' + b'<x/>' * 30
        for segment in (
            jpeg_segment(b'\xfe', b'a program, quality = 82 ' * 9),
            jpeg_segment(b'\xe1', xmp),
            jpeg_segment(b'\xed', b'Photoshop 3.0\0' * 5),
        ):
            moved = content[:2] + segment + content[2:]
            assert decode(moved, 'k1').shape == (64, 48, 3)
            lazy = DecodeImage(reduce=True)(
                dict(sample_key='k1', img_bytes=moved)
            )
            assert lazy['img_shape'] == (64, 48)

    def test_damaged_notes_do_not_matter(self):
        exif = jpeg_segment(b'\xe1', b'Exif\0\0MM\0*\xff\xff\xff\xff' * 3)
        content = encode(COLOR, 'JPEG')
        content = content[:2] + exif + content[2:]
        assert decode(content, 'k1').shape == (48, 64, 3)

    def test_an_upright_photograph_is_reduced(self):
        note = Image.Exif()
        note[0x0112] = 1
        content = encode(COLOR.resize((640, 480)), 'JPEG', exif=note)
        lazy = DecodeImage(reduce=True)(
            dict(sample_key='k1', img_bytes=content)
        )
        assert lazy['img'].pixels(8)[1] == 8


def png(width, height, rows=b''):
    """A PNG whose header may lie about its rows."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack('>I', len(content)) + body + struct.pack(
            '>I', zlib.crc32(body)
        )  # fmt: skip

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    )  # fmt: skip


class TestLimits:
    @pytest.mark.parametrize('reduce', [False, True])
    def test_a_header_that_asks_for_too_much(self, reduce):
        content = encode(COLOR, 'JPEG')
        at = content.find(b'\xff\xc0') + 5
        size = struct.pack('>HH', 13500, 13500)
        huge = content[:at] + size + content[at + 4 :]
        for bomb in (huge, png(60000, 60000), png(2**31 - 1, 2**31 - 1)):
            with pytest.raises(SampleError, match='more than max_pixels'):
                DecodeImage(reduce)(dict(sample_key='k1', img_bytes=bomb))

    def test_the_limit_is_a_setting(self):
        content = encode(COLOR, 'PNG')
        sample = dict(sample_key='k1', img_bytes=content)
        with pytest.raises(SampleError, match='64 x 48 pixels, more than'):
            DecodeImage(max_pixels=64 * 48 - 1)(dict(sample))
        img = DecodeImage(max_pixels=64 * 48)(dict(sample))['img']
        assert img.shape == (48, 64, 3)

    def test_a_limit_above_that_of_pillow(self, monkeypatch):
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
        assert decode(encode(COLOR, 'PNG'), 'k1').shape == (48, 64, 3)
        assert Image.MAX_IMAGE_PIXELS == 100

    def test_files_without_end(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe.jpg')
        for path in (tmp_path / 'pipe.jpg', '/dev/zero', tmp_path):
            with pytest.raises(SampleError, match='image fault in k1'):
                read_image_file(str(path), 'k1')
        with open(tmp_path / 'long.jpg', 'wb') as file:
            file.truncate(9000)
        with pytest.raises(SampleError, match='9000 bytes, too many'):
            read_image_file(str(tmp_path / 'long.jpg'), 'k1', 1000)


class TestDamage:
    @pytest.mark.parametrize(
        ('form', 'options'),
        [
            ('JPEG', {}),
            ('JPEG', dict(progressive=True)),
            ('PNG', {}),
            ('WEBP', {}),
            ('BMP', {}),
            ('TIFF', dict(compression='tiff_lzw')),
            ('GIF', {}),
        ],
    )
    def test_nothing_but_faults(self, form, options):
        whole = encode(COLOR, form, **options)
        rng = random.Random(form)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(rng.choice((1, 3, 30))):
                damaged[rng.randrange(len(whole))] = rng.randrange(256)
            if rng.random() < 0.3:
                del damaged[rng.randrange(len(whole)) :]
            with suppress(SampleError):
                sample = DecodeImage(rng.random() < 0.5)(
                    dict(sample_key='k1', img_bytes=bytes(damaged))
                )
                if sample['img'].shape[2] == 3:
                    RandomView(16)(sample)
                assert sample['img'].dtype == np.uint8

    def test_a_program_is_no_picture(self):
        script = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n'
        with pytest.raises(SampleError, match='no picture of a known format'):
            read_header(script, 'k1')

    def test_the_guard_keeps_one_line_and_passes_faults(self):
        with pytest.raises(SampleError) as fault, as_fault('zip', 'a'):
            raise zlib.error('first\nsecond')
        assert str(fault.value) == 'zip fault in a: error: first second'
        inner = SampleError('json', 'b', 'why')
        with pytest.raises(SampleError) as fault, as_fault('zip', 'a'):
            raise inner
        assert fault.value is inner
        with pytest.raises(KeyboardInterrupt), as_fault('zip', 'a'):
            raise KeyboardInterrupt
