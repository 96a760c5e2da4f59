"""Transforms against slow definitions, and their complaints."""

import colorsys
import datetime

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from toy.shards import picture

from m3i_mm.datasets.faults import SampleError
from m3i_mm.datasets.randomness import seeded
from m3i_mm.datasets.tokenizers import build_tokenizer
from m3i_mm.datasets.transforms import (
    Background,
    CenterView,
    ChooseText,
    CleanText,
    ColorMatrix,
    DecodeImage,
    LabelName,
    Labels,
    MultiViewWithGeometry,
    RandomBlur,
    RandomView,
    Tokenize,
)
from m3i_mm.datasets.transforms.jpeg import JpegImage

pytestmark = pytest.mark.openmmlab
RNG = np.random.default_rng(0)
IMAGE = cv2.GaussianBlur(
    RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8), (0, 0), 2
)


def sample(**fields):
    return dict(sample_key='k1', source='here', fields=fields)


class TestDecode:
    def decode(self, content):
        return DecodeImage()(dict(sample_key='k1', img_bytes=content))['img']

    def test_kinds(self):
        assert self.decode(picture(0, '.png', 4)).shape == (24, 20, 4)
        assert self.decode(picture(0, '.jpg', 3)).shape == (24, 20, 3)
        assert self.decode(picture(0, '.png', 1)).shape == (24, 20, 3)
        opaque = np.full((5, 4, 4), 255, np.uint8)
        content = cv2.imencode('.png', opaque)[1].tobytes()
        assert self.decode(content).shape == (5, 4, 3)
        deep = np.full((5, 4, 3), 0x1234, np.uint16)
        content = cv2.imencode('.png', deep)[1].tobytes()
        assert (self.decode(content) == 0x12).all()

    @pytest.mark.parametrize(
        'content', [b'', b'nothing', picture(0, '.png')[:80]]
    )
    def test_broken(self, content):
        with pytest.raises(SampleError, match='image fault in k1'):
            self.decode(content)

    def test_reduced_views_look_the_same(self):
        big = cv2.resize(IMAGE, (640, 480), interpolation=cv2.INTER_CUBIC)
        content = cv2.imencode('.jpg', big)[1].tobytes()
        for seed in range(10):
            found = []
            for reduce in (False, True):
                results = dict(sample_key='k1', img_bytes=content)
                with seeded(seed):
                    results = DecodeImage(reduce)(results)
                    assert results['img_shape'] == (480, 640)
                    found.append(RandomView(32, scale=(0.3, 1))(results))
            whole, reduced = found
            assert torch.equal(
                whole['view_geometry'], reduced['view_geometry']
            )
            difference = whole['img'].astype(float) - reduced['img']
            assert np.abs(difference).mean() < 3

    def test_reduction_is_as_strong_as_the_view_allows(self):
        big = cv2.resize(IMAGE, (640, 480))
        content = cv2.imencode('.jpg', big)[1].tobytes()
        image = JpegImage(content, (480, 640), 'k1')
        assert image.shape == (480, 640, 3)
        assert [image.pixels(s)[1] for s in (9, 4.1, 3.9, 0.5)] == [8, 4, 2, 1]
        assert image.pixels(8)[1] == 8
        fresh = JpegImage(content, (480, 640), 'k1')
        assert fresh.pixels(5)[0].shape == (120, 160, 3)
        again = JpegImage(content, (480, 640), 'k1')
        again.pixels(1)
        assert again.pixels(8)[1] == 1  # decoded already
        with pytest.raises(SampleError, match='image fault in k1'):
            JpegImage(content[:10], (480, 640), 'k1').pixels(1)

    def test_files(self, tmp_path):
        path = tmp_path / 'a.png'
        path.write_bytes(picture(1, '.png', 3))
        found = DecodeImage()(dict(sample_key='k1', img_path=str(path)))
        assert found['img_shape'] == (24, 20)
        with pytest.raises(SampleError, match='No such file'):
            DecodeImage()(dict(sample_key='k1', img_path=f'{path}.none'))
        with pytest.raises(SampleError, match='has no picture'):
            DecodeImage()(dict(sample_key='k1'))


class TestBackground:
    def test_blends_like_the_formula(self):
        img = RNG.integers(0, 256, (9, 7, 4), dtype=np.uint8)
        img[0, :, 3], img[1, :, 3] = 0, 255
        color = np.array([10, 200, 90])
        found = Background(color.tolist())(dict(img=img))['img']
        alpha = img[..., 3:] / 255
        expected = img[..., :3] * alpha + color * (1 - alpha)
        assert np.abs(found - expected).max() <= 1.01
        assert (found[0] == color).all()
        assert (found[1] == img[1, :, :3]).all()

    def test_random_color_comes_from_the_seed(self):
        img = np.zeros((2, 2, 4), np.uint8)
        found = []
        for seed in (1, 1, 2):
            with seeded(seed):
                found.append(Background()(dict(img=img))['img'][0, 0].tolist())
        assert found[0] == found[1] != found[2]

    def test_three_channels_stay(self):
        assert Background()(dict(img=IMAGE))['img'] is IMAGE

    @pytest.mark.parametrize('view', [RandomView(8), CenterView(8)])
    def test_transparency_without_background_is_an_error(self, view):
        img = np.zeros((9, 9, 4), np.uint8)
        with pytest.raises(ValueError, match=r"'k1' has 4 channels.*Backgr"):
            view(dict(sample_key='k1', img=img))


class TestViews:
    def test_geometry_says_what_was_cut(self):
        for seed in range(30):
            with seeded(seed):
                found = RandomView((16, 24))(dict(img=IMAGE))
            geometry = found['view_geometry'].int().tolist()
            top, left, height, width, flip, *shape = geometry
            assert shape == [60, 80]
            assert 0 <= top <= 60 - height
            assert 0 <= left <= 80 - width
            box = IMAGE[top : top + height, left : left + width]
            method = (
                cv2.INTER_AREA
                if height >= 32 and width >= 48
                else cv2.INTER_CUBIC
            )
            expected = cv2.resize(box, (24, 16), interpolation=method)
            expected = expected[:, ::-1] if flip else expected
            assert (found['img'] == expected).all()

    def test_boxes_have_the_asked_sizes(self):
        view = RandomView(8, scale=(0.1, 0.3), ratio=(0.5, 2), flip_prob=0.3)
        found = []
        for seed in range(400):
            with seeded(seed):
                found.append(view(dict(img=IMAGE))['view_geometry'].numpy())
        _, _, height, width, flip, *_ = np.stack(found).T
        share = height * width / 4800
        assert 0.09 < share.min() < 0.13
        assert 0.27 < share.max() < 0.32
        assert 0.45 < (width / height).min() < 0.6
        assert 1.8 < (width / height).max() < 2.2
        assert 0.22 < flip.mean() < 0.38

    def test_extreme_pictures_use_the_central_box(self):
        strip = np.zeros((10, 400, 3), np.uint8)
        view = RandomView(8, scale=(0.9, 1.0))
        geometry = view(dict(img=strip))['view_geometry'].tolist()
        assert geometry[:4] == [0, 193, 10, 13]
        tiny = RandomView(8)(dict(img=np.zeros((1, 1, 3), np.uint8)))
        assert tiny['img'].shape == (8, 8, 3)

    def test_center(self):
        found = CenterView(16, crop_ratio=0.5)(dict(img=IMAGE))
        assert found['view_geometry'].tolist() == [15, 25, 30, 30, 0, 60, 80]
        whole = CenterView((30, 40))(dict(img=IMAGE))
        assert whole['view_geometry'].tolist()[:4] == [0, 0, 60, 80]

    def test_views_are_independent(self):
        views = [dict(type='m3i_mm.RandomView', size=8)]
        found = MultiViewWithGeometry([views, views])(dict(img=IMAGE))
        assert len(found['img']) == 2
        assert found['view_geometry'].shape == (2, 7)
        assert not torch.equal(*found['view_geometry'])


class TestColor:
    def jitter(self, **settings):
        names = ('brightness', 'contrast', 'saturation', 'hue')
        zero = dict.fromkeys(names, 0.0)
        transform = ColorMatrix(
            **{**zero, 'prob': 1, 'gray_prob': 0, **settings}
        )
        return transform(dict(img=IMAGE))['img'].astype(float)

    def test_nothing_to_do(self):
        assert (self.jitter() == IMAGE).all()

    def test_gray(self):
        found = self.jitter(gray_prob=1)
        expected = cv2.cvtColor(IMAGE, cv2.COLOR_BGR2GRAY)[..., None]
        assert np.abs(found - expected).max() <= 1

    def test_brightness(self):
        found = self.jitter(brightness=0.4)
        factor = found.sum() / IMAGE.sum()
        assert 0.6 <= factor <= 1.4
        assert np.abs(found - (IMAGE * factor).clip(0, 255)).max() < 3

    def test_contrast_keeps_the_mean_luminance(self):
        found = self.jitter(contrast=0.4)
        weights = np.array([0.114, 0.587, 0.299])
        before, after = IMAGE @ weights, found @ weights
        assert after.mean() == pytest.approx(before.mean(), abs=0.5)
        factor = after.std() / before.std()
        assert 0.6 <= factor <= 1.4

    def test_saturation_keeps_the_luminance(self):
        found = self.jitter(saturation=0.2)
        weights = np.array([0.114, 0.587, 0.299])
        assert np.abs(found @ weights - IMAGE @ weights).max() < 1.5

    def test_hue_turns_by_the_angle(self):
        red = np.zeros((4, 4, 3), np.uint8)
        red[..., 2] = 200
        red += 30
        for seed in range(20):
            with seeded(seed):
                transform = ColorMatrix(0, 0, 0, hue=0.1, prob=1, gray_prob=0)
                found = transform(dict(img=red))['img'][0, 0] / 255
            hue, *_ = colorsys.rgb_to_hsv(*found[::-1])
            assert min(hue, 1 - hue) < 0.16

    def test_probabilities(self):
        changed = 0
        for seed in range(200):
            with seeded(seed):
                found = ColorMatrix(gray_prob=0)(dict(img=IMAGE))['img']
            changed += found is not IMAGE
        assert 140 < changed < 180

    def test_blur(self):
        found = RandomBlur((2, 2), prob=1)(dict(img=IMAGE))['img']
        assert (found == cv2.GaussianBlur(IMAGE, (0, 0), 2)).all()
        assert RandomBlur(prob=0)(dict(img=IMAGE))['img'] is IMAGE


class TestLabels:
    def test_numbers_and_names(self):
        transform = Labels(
            dict(gt_label='concept', group='kind'),
            classes=dict(group=['cat', 'dog']),
        )
        found = transform(sample(concept=5, kind='dog'))
        assert found['gt_label'] == 5
        assert torch.equal(found['group'], torch.tensor(1))

    @pytest.mark.parametrize('value', [3, 3.0, '3', '3.0', np.int64(3)])
    def test_one_number_however_it_is_written(self, value):
        assert Labels()(sample(label=value))['gt_label'] == 3
        classes = dict(gt_label=['0', '1', '2', '3'])
        if isinstance(value, int | np.integer) or value == '3':
            named = Labels(classes=classes)(sample(label=value))
            assert named['gt_label'] == 3

    @pytest.mark.parametrize('value', [-1, 10])
    def test_out_of_range(self, value):
        transform = Labels(num_classes=dict(gt_label=10))
        with pytest.raises(
            ValueError, match=rf"'k1': gt_label = {value} .*\[0, 10\)"
        ):
            transform(sample(label=value))

    def test_mistakes(self):
        with pytest.raises(KeyError, match=r"'k1' of here has no field 'la"):
            Labels()(sample(text='x'))
        for value in ('cat', '', None, float('nan'), 3.5, '3.5', [3], 'inf'):
            with pytest.raises(ValueError, match='is not a number'):
                Labels()(sample(label=value))
        named = Labels(classes=dict(gt_label=['cat']))
        with pytest.raises(ValueError, match='not a known class name'):
            named(sample(label='dog'))


class TestText:
    def test_templates(self):
        transform = ChooseText('a {vendor} drawing of {name}; {keywords}')
        found = transform(sample(vendor='x', name='cat', keywords=['a', 'b']))
        assert found['text'] == 'a x drawing of cat; a, b'

    def test_choices_are_drawn(self):
        transform = ChooseText(['{text}', 'a {text}'])
        found = set()
        for seed in range(40):
            with seeded(seed):
                found.add(transform(sample(text=['p', 'q']))['text'])
        assert found == {'p', 'q', 'a p', 'a q'}

    def test_one_of_several_is_taken(self):
        transform = ChooseText(entry=1)
        assert transform(sample(text=['p', 'q', 'r']))['text'] == 'q'
        with pytest.raises(SampleError, match='entry 1 is asked of 1 texts'):
            transform(sample(text=['p']))

    @pytest.mark.parametrize(
        'text',
        [
            *('', '  ', [], [''], None, float('nan'), np.float32('nan')),
            *([None, ''], '\u200b', '\ufeff', b'', np.array([])),
        ],
    )
    def test_empty(self, text):
        with pytest.raises(ValueError, match="'k1' is empty"):
            ChooseText()(sample(text=text))

    def test_empty_can_be_skipped(self):
        with pytest.raises(SampleError, match='text fault in k1'):
            ChooseText(skip_empty=True)(sample(text=''))

    @pytest.mark.parametrize(
        ('value', 'wanted'),
        [
            ('None', 'None'),
            ('null', 'null'),
            (1984, '1984'),
            (0, '0'),
            (2.5, '2.5'),
            ('007', '007'),
            (datetime.date(2020, 1, 2), '2020-01-02'),
            (b'caf\xc3\xa9', 'café'),
            (['', None, 'one', float('nan'), ' '], 'one'),
            (['&nbsp;', '\u200b', 'one'], 'one'),
            (np.array(['one', '']), 'one'),
        ],
    )
    def test_texts_keep_their_writing(self, value, wanted):
        assert ChooseText()(sample(text=value))['text'] == wanted
        found = ChooseText('a {text}')(sample(text=value))
        assert found['text'] == f'a {wanted}'

    def test_lists_without_what_is_empty(self):
        found = ChooseText('{keywords}')(sample(keywords=['a', None, '', 'b']))
        assert found['text'] == 'a, b'
        found = ChooseText('no. {n:03d}')(sample(n=7))
        assert found['text'] == 'no. 007'

    def test_bytes_in_another_encoding_are_a_fault(self):
        with pytest.raises(SampleError, match='text fault in k1'):
            ChooseText()(sample(text=b'caf\xe9'))

    @pytest.mark.parametrize('text', ['&nbsp;', '&amp;nbsp; &#8203;'])
    def test_empty_after_cleaning(self, text):
        skip = [ChooseText(skip_empty=True), CleanText(), Tokenize()]
        with pytest.raises(SampleError, match='text fault in k1'):
            Compose(skip)(sample(text=text))
        with pytest.raises(ValueError, match="'k1' is empty"):
            Compose([ChooseText(), CleanText()])(sample(text=text))

    def test_clean(self):
        found = CleanText()(
            dict(text=' Tom &amp;amp;  Jerry\n \u00e2\u0080\u0099s ')
        )
        assert found['text'] == "Tom & Jerry 's"
        found = CleanText(lower=True, max_words=2)(dict(text='A B C'))
        assert found['text'] == 'a b'
        kept = CleanText(fix_encoding=False)(dict(text='Ã¤'))
        assert kept['text'] == 'Ã¤'
        assert CleanText()(dict(text='Ã¤'))['text'] == 'ä'

    def test_labels_as_text(self):
        named = LabelName('imagenet')(sample(label=1))
        found = ChooseText('a photo of a {name}.')(named)
        assert found['text'] == 'a photo of a goldfish.'
        with pytest.raises(ValueError, match=r'label = 2 .*\[0, 2\)'):
            LabelName(['a', 'b'])(sample(label=2))
        with pytest.raises(ValueError, match='a list of names'):
            LabelName('cifar')

    def test_missing(self):
        with pytest.raises(KeyError, match="no field 'caption'"):
            ChooseText('{caption}')(sample(text='x'))

    def test_tokens(self):
        found = Tokenize('clip')(dict(sample_key='k1', text='a cat'))
        tokens = found['text_tokens'].tolist()
        assert tokens[:4] == [49406, 320, 2368, 49407]
        assert tokens[4:] == [0] * 73
        short = build_tokenizer(
            dict(type='m3i_mm.CLIPTokenizer', context_length=8)
        )
        tokens = short('one two three four five six seven eight nine')
        assert tokens.shape == (8,)
        assert tokens[-1] == 49407
        with pytest.raises(ValueError, match="'k1' is empty"):
            Tokenize('clip')(dict(sample_key='k1', text=' '))
